//! `--output [TYPE=]FILE|-`: what goes where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::json::{RecordSet, UnknownType};

/// One output as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Only these types; without it the types that `--records` names.
    pub types: Option<RecordSet>,
    /// Where to.
    pub place: Where,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// Standard output, written `-`.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// An output that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The words before `=` are not record types.
    #[error("{0}; a file whose name holds `=` is written ./NAME")]
    Type(#[from] UnknownType),
    /// Nothing after `=`, or nothing at all.
    #[error("no file is named; `-` is standard output")]
    NoFile,
}

impl FromStr for OutputSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (types, place) = match text.split_once('=') {
            // A path may hold `=`; a list of types never holds a slash.
            Some((types, place)) if !types.contains('/') => (Some(types.parse()?), place),
            Some(_) | None => (None, text),
        };
        let place = match place {
            "" => return Err(SpecError::NoFile),
            "-" => Where::Stdout,
            file => Where::File(file.into()),
        };
        Ok(Self { types, place })
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::RecordType;

    #[track_caller]
    fn check(text: &str, types: Option<&[RecordType]>, place: Where) {
        let expected = OutputSpec {
            types: types.map(RecordSet::of),
            place,
        };
        assert_eq!(text.parse(), Ok(expected));
    }

    #[test]
    fn types_are_before_the_first_equals_sign() {
        check("-", None, Where::Stdout);
        check("alert=-", Some(&[RecordType::Alert]), Where::Stdout);
        check("a.jsonl", None, Where::File("a.jsonl".into()));
        check(
            "http,flow=/var/log/x=y.jsonl",
            Some(&[RecordType::Http, RecordType::Flow]),
            Where::File("/var/log/x=y.jsonl".into()),
        );
        check("./a=b", None, Where::File("./a=b".into()));
    }

    #[test]
    fn a_mistake_is_named() {
        assert_eq!("".parse::<OutputSpec>(), Err(SpecError::NoFile));
        assert_eq!("alert=".parse::<OutputSpec>(), Err(SpecError::NoFile));
        assert!(
            "alrt=x"
                .parse::<OutputSpec>()
                .unwrap_err()
                .to_string()
                .contains("`alrt`")
        );
    }
}
