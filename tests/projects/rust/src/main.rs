//! Notches a stick for each line that it reads: a program that has a use for many small crates.

use std::io::Read;

use byteorder::{BigEndian, ByteOrder};
use heck::ToKebabCase;

bitflags::bitflags! {
    struct Seen: u32 {
        const LINES = 1;
        const WORDS = 2;
    }
}

lazy_static::lazy_static! {
    static ref VERSION: String = env!("CARGO_PKG_VERSION").to_string();
}

fn main() {
    let mut options = getopts::Options::new();
    options.optflag("V", "version", "print the version");
    let asked = options.parse(std::env::args().skip(1)).expect("an option that there is");
    if asked.opt_present("V") {
        println!("stick {}", *VERSION);
        return;
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("UTF-8");
    let _done = scopeguard::guard((), |_| println!("cut"));

    let lines = text.lines().count();
    let mut words: fnv::FnvHashMap<&str, usize> = Default::default();
    for word in text.split_whitespace() {
        *words.entry(word).or_default() += 1;
    }
    let mut sorted: Vec<&str> = words.keys().copied().collect();
    sorted.sort_unstable();
    let first: arrayvec::ArrayVec<&str, 3> = sorted.iter().copied().take(3).collect();
    let kebab: Vec<String> = first.iter().map(|word| word.to_kebab_case()).collect();
    let mut seen = Seen::LINES;
    if !words.is_empty() {
        seen |= Seen::WORDS;
    }
    let mut sum = [0; 4];
    BigEndian::write_u32(&mut sum, crc32fast::hash(text.as_bytes()));
    let near = first.windows(2).map(|pair| strsim::levenshtein(pair[0], pair[1])).max();
    let random = fastrand::Rng::with_seed(7);

    println!("stick {}", notch::cut(lines));
    println!("lines {}, seen {:?}", itoa::Buffer::new().format(lines), seen);
    println!("first {}", kebab.join(" "));
    println!("crc32 {} {}", hex::encode(sum), base64::encode(sum));
    println!("near {:?}, chance {}", near, random.u8(0..9));
    println!("since {}", humantime::format_duration(std::time::Duration::from_secs(lines as u64 * 61)));
    println!("as {}", percent_encoding::utf8_percent_encode(&kebab.join(" "), percent_encoding::NON_ALPHANUMERIC));
    println!("text {}", glob::Pattern::new("*.txt").unwrap().matches("stick.txt"));
    println!("left {}", pico_args::Arguments::from_vec(vec!["left".into()]).finish().len());
}

#[cfg(test)]
mod tests {
    static_assertions::assert_eq_size!(u32, [u8; 4]);
}
