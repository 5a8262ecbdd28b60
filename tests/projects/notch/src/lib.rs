//! What a stick is cut with.

/// A notch for each line.
pub fn cut(lines: usize) -> String {
    "|".repeat(lines)
}
