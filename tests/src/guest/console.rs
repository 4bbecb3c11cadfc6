//! What a guest printed, in its blocks.

use super::script::MARK;

/// The console's text.
#[derive(Debug)]
pub struct Console(String);

impl Console {
    /// From the bytes of the serial line.
    pub fn new(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).replace('\r', ""))
    }

    /// The block of this name; what was printed of it, where the guest ended within.
    pub fn block(&self, name: &str) -> Option<&str> {
        let begin = format!("{MARK}{name}\n");
        let (_, rest) = self.0.split_once(&begin)?;
        Some(rest.split(MARK).next().unwrap_or(rest).trim())
    }

    /// Whether it came to its end.
    pub fn is_whole(&self) -> bool {
        self.0.contains(&format!("{MARK}end\n"))
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The last lines, for whoever has to find out what went wrong.
    pub fn tail(&self) -> String {
        let lines: Vec<_> = self.0.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_by_name() {
        let console = Console::new(b"boot\r\n== guest: a\r\none\r\ntwo\r\n\r\n== guest: b\r\nthree");
        assert_eq!(console.block("a"), Some("one\ntwo"));
        assert_eq!((console.block("b"), console.block("c")), (Some("three"), None));
        assert!(!console.is_whole());
    }
}
