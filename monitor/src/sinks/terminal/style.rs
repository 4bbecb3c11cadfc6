//! Colours, where they are wanted.

use std::fmt;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// No colour.
    pub const PLAIN: Self = Self { colour: false };
    /// Colour.
    pub const COLOUR: Self = Self { colour: true };

    /// Colour where standard output is a terminal that takes it, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn from_environment() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self {
            colour: std::io::IsTerminal::is_terminal(&std::io::stdout()) && !refused && !dumb,
        }
    }

    /// Less important.
    pub fn dim(self, text: impl fmt::Display) -> String {
        self.paint("2", text)
    }

    /// Stands out.
    pub fn bold(self, text: impl fmt::Display) -> String {
        self.paint("1", text)
    }

    /// Good.
    pub fn green(self, text: impl fmt::Display) -> String {
        self.paint("32", text)
    }

    /// Worth a look.
    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.paint("33", text)
    }

    /// Bad.
    pub fn red(self, text: impl fmt::Display) -> String {
        self.paint("1;31", text)
    }

    /// Select Graphic Rendition (ECMA-48 section 8.3.117).
    fn paint(self, code: &str, text: impl fmt::Display) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }
}
