//! What is wrong with a configuration file, on one line: file, line, key, and what was probably meant.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line of the mistake, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it where that can be told.
    pub message: String,
}

impl ConfigError {
    pub(super) fn from_toml(error: &toml::de::Error, text: &str, file: &Path) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        Self {
            file: file.to_owned(),
            line,
            message: reword(error.message()),
        }
    }
}

/// serde's words for an unknown field or variant, in ours. Other messages are left as they are.
fn reword(message: &str) -> String {
    let (noun, rest) = if let Some(rest) = message.strip_prefix("unknown field `") {
        ("key", rest)
    } else if let Some(rest) = message.strip_prefix("unknown variant `") {
        ("value", rest)
    } else {
        return message.replace('\n', " ");
    };
    let Some((unknown, rest)) = rest.split_once('`') else {
        return message.replace('\n', " ");
    };
    // What remains is ", expected `a`", "… one of `a`, `b`" or "there are no …": every second piece is a name.
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    match closest(unknown, &known) {
        Some(meant) => format!("unknown {noun} `{unknown}`; did you mean `{meant}`?"),
        None if known.is_empty() => format!("unknown {noun} `{unknown}`"),
        None => format!("unknown {noun} `{unknown}`; known here: `{}`", known.join("`, `")),
    }
}

/// The known name that `unknown` is most likely a slip of: at most a third of its letters differ.
fn closest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer than any key: not a slip, and the table of distances stays small.
    const LONGEST: usize = 64;
    if unknown.len() > LONGEST {
        return None;
    }
    known
        .iter()
        .map(|name| (distance(unknown, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().max(unknown.len()).div_ceil(3))
        .map(|(_, name)| name)
}

/// Letters to add, remove, change or swap with a neighbour (optimal string alignment, Damerau 1964).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let change = last[j] + usize::from(from != to);
            let mut best = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *to && b[j - 1] == *from {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("name", "nmae"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(closest("zzz", &["name", "path"]), None);
        assert_eq!(closest(&"x".repeat(10_000), &["name"]), None);
    }

    #[test]
    fn hostile_names_do_no_harm() {
        assert_eq!(
            reword("unknown field ``, expected `a`"),
            "unknown key ``; did you mean `a`?"
        );
        assert_eq!(reword("unknown field `"), "unknown field `");
    }
}
