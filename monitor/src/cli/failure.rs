//! How a command ends: its exit code, and one line on standard error.

use std::io;
use std::process::ExitCode;

#[cfg(feature = "live")]
use crate::control::client::ClientError;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// It failed: exit code 1.
    Failed(anyhow::Error),
    /// What was typed makes no sense, in a way that only shows when it is looked at: exit code 2.
    Usage(String),
    /// No daemon answers: exit code 3.
    #[cfg(feature = "live")]
    NoDaemon(ClientError),
    /// A file is damaged, and what could be read of it was: exit code 4.
    Damaged(String),
    /// Whoever read standard output has gone, and wants nothing more: exit code 0.
    ReaderGone,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let reader_gone = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        if reader_gone {
            Self::ReaderGone
        } else {
            Self::Failed(error)
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

#[cfg(feature = "live")]
impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoDaemon(_) | ClientError::Silent(_) => Self::NoDaemon(error),
            ClientError::NotAllowed(_) | ClientError::Refused { .. } | ClientError::Garbled(_) => {
                Self::Failed(error.into())
            }
        }
    }
}

/// Says on standard error why, and gives the exit code.
pub(super) fn report(result: Result<(), Failure>) -> ExitCode {
    let (code, why) = match result {
        Ok(()) | Err(Failure::ReaderGone) => return ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => (1, format!("{error:#}")),
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::Damaged(what)) => (4, what),
        #[cfg(feature = "live")]
        Err(Failure::NoDaemon(error)) => (3, error.to_string()),
    };
    // One line, whatever the parts of the chain hold.
    let line: Vec<&str> = why.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    eprintln!("monitor: {}", line.join("; "));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from(gone()), Failure::ReaderGone));
        let wrapped = Err::<(), _>(gone()).context("cannot print").unwrap_err();
        assert!(matches!(Failure::from(wrapped), Failure::ReaderGone));
        let other = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Failure::from(other), Failure::Failed(_)));
    }
}
