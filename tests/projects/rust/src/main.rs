//! Notches a stick for each line that it reads: a program that has a use for many small crates.

use std::io::Read;

use byteorder::{BigEndian, ByteOrder};
use heck::ToKebabCase;
use itertools::Itertools;

bitflags::bitflags! {
    struct Seen: u32 {
        const LINES = 1;
        const WORDS = 2;
    }
}

lazy_static::lazy_static! {
    static ref VERSION: semver::Version = semver::Version::parse(env!("CARGO_PKG_VERSION")).unwrap();
}

fn main() {
    let mut options = getopts::Options::new();
    options.optflag("V", "version", "print the version");
    let asked = options.parse(std::env::args().skip(1)).expect("an option that there is");
    if asked.opt_present("V") {
        println!("stick {}.{}.{}", VERSION.major, VERSION.minor, VERSION.patch);
        return;
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("UTF-8");
    let _done = scopeguard::guard((), |_| println!("cut"));

    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count();
    let words: fnv::FnvHashMap<&str, usize> = text.split_whitespace().counts_by(|word| word).into_iter().collect();
    let mut first: arrayvec::ArrayVec<&str, 3> = arrayvec::ArrayVec::new();
    for word in words.keys().sorted().take(3) {
        first.push(word);
    }
    let mut sizes: tinyvec::TinyVec<[usize; 4]> = text.lines().map(str::len).collect();
    sizes.sort_unstable();
    let mut seen = Seen::LINES;
    if !words.is_empty() {
        seen |= Seen::WORDS;
    }
    let mut sum = [0; 4];
    BigEndian::write_u32(&mut sum, crc32fast::hash(text.as_bytes()));
    let packed = miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 6);
    let near = first.iter().tuple_windows().map(|(a, b)| strsim::levenshtein(a, b)).max();
    let random = fastrand::Rng::with_seed(7);
    random.shuffle(&mut sizes);

    println!("stick {}", notch::cut(lines));
    println!("lines {}, seen {:?}", itoa::Buffer::new().format(lines), seen);
    println!("first {}", first.iter().map(|word| word.to_kebab_case()).join(" "));
    println!("crc32 {} {}", hex::encode(sum), base64::encode(sum));
    println!("packed {} of {}", packed.len(), text.len());
    println!("near {:?}, average {}", near, ryu::Buffer::new().format(text.len() as f64 / sizes.len().max(1) as f64));
    println!("since {}", humantime::format_duration(std::time::Duration::from_secs(lines as u64 * 61)));
    println!("as {}", percent_encoding::utf8_percent_encode(&first.join(" "), percent_encoding::NON_ALPHANUMERIC));
    println!("text {}", glob::Pattern::new("*.txt").unwrap().matches("stick.txt"));
    println!("left {}", pico_args::Arguments::from_vec(vec!["left".into()]).finish().len());
}

#[cfg(test)]
mod tests {
    static_assertions::assert_eq_size!(u32, [u8; 4]);
}
