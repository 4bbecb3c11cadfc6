//! The program behind a process, as a subject that outlives versions, restarts and redeployments.

use std::sync::Arc;

use crate::record::ProcessRef;

/// What the subject of a process that is not known is called.
pub const UNKNOWN: &str = "unknown";

/// A program whose habits are learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Executable's path (`[name]` for a kernel thread) with what changes from version to version folded; followed by
    /// `@` and the container's id if it runs in one.
    pub own: Arc<str>,
    /// In a container: the same program in any container. A container that was just made is judged by what its kin
    /// know, until it has a history of its own; else every redeployment would start from nothing.
    pub kin: Option<Arc<str>>,
}

impl Subject {
    /// Of a process; of [`UNKNOWN`] where its program never became known.
    pub fn of(process: Option<&ProcessRef>) -> Self {
        let program = process.and_then(|process| process.program.as_deref());
        let path = match program {
            None => UNKNOWN.to_owned(),
            Some(program) if program.exe.is_empty() => format!("[{}]", fold_versions(&program.name)),
            Some(program) => fold_versions(executable(&program.exe)),
        };
        match process.and_then(|process| process.container.as_deref()) {
            None => Self {
                own: path.into(),
                kin: None,
            },
            Some(container) => Self {
                own: format!("{path}@{container}").into(),
                kin: Some(format!("{path}@*").into()),
            },
        }
    }
}

/// An executable's path without what the kernel adds when the file was replaced while it ran (`d_path`,
/// `fs/d_path.c`).
pub fn executable(exe: &str) -> &str {
    exe.strip_suffix(" (deleted)").unwrap_or(exe)
}

/// Whether anyone may write where this executable lies: what runs from there was seldom installed.
pub fn is_unsettled(exe: &str) -> bool {
    const FOLDERS: [&str; 5] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/memfd:"];
    FOLDERS.iter().any(|folder| exe.starts_with(folder)) || exe.starts_with("memfd:")
}

/// Digits become `0`, a commit or digest (eight and more hexadecimal digits with a decimal one) becomes `0` too:
/// `/opt/app-1.12/bin/python3.11` is `/opt/app-0.0/bin/python0.0`. Installing a new version makes no new program.
pub fn fold_versions(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut word = String::new();
    for c in path.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            fold_word(&mut word, &mut out);
            out.push(c);
        }
    }
    fold_word(&mut word, &mut out);
    out
}

fn fold_word(word: &mut String, out: &mut String) {
    let is_digest =
        word.len() >= 8 && word.bytes().all(|b| b.is_ascii_hexdigit()) && word.bytes().any(|b| b.is_ascii_digit());
    if is_digest {
        out.push('0');
    } else {
        let mut in_number = false;
        for c in word.chars() {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !in_number {
                out.push('0');
            }
            in_number = c.is_ascii_digit();
        }
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Owner, Program};

    fn process(exe: &str, container: Option<&str>) -> ProcessRef {
        ProcessRef {
            owner: Owner::default(),
            program: Some(Arc::new(Program {
                exe: exe.to_owned(),
                name: "kworker/0:1".to_owned(),
                ..Program::default()
            })),
            container: container.map(Arc::from),
        }
    }

    #[track_caller]
    fn check(exe: &str, container: Option<&str>, own: &str, kin: Option<&str>) {
        let subject = Subject::of(Some(&process(exe, container)));
        assert_eq!((&*subject.own, subject.kin.as_deref()), (own, kin));
    }

    #[test]
    fn versions_are_one_program() {
        check("/usr/bin/curl", None, "/usr/bin/curl", None);
        check("/usr/bin/python3.11", None, "/usr/bin/python0.0", None);
        check("/usr/bin/python3.13 (deleted)", None, "/usr/bin/python0.0", None);
        check("/opt/app-1.2.30/bin/app", None, "/opt/app-0.0.0/bin/app", None);
        check("/srv/releases/3fa9c1d2e4/app", None, "/srv/releases/0/app", None);
        check("/usr/lib/facade/deadbeef", None, "/usr/lib/facade/deadbeef", None);
        check("", None, "[kworker/0:0]", None);
    }

    #[test]
    fn containers_have_kin() {
        check(
            "/usr/bin/node",
            Some("3fa9"),
            "/usr/bin/node@3fa9",
            Some("/usr/bin/node@*"),
        );
    }

    #[test]
    fn no_program_is_unknown() {
        assert_eq!(&*Subject::of(None).own, UNKNOWN);
    }

    #[test]
    fn where_anyone_may_write() {
        for exe in ["/tmp/x", "/dev/shm/.x/y", "/memfd:x", "/var/tmp/a"] {
            assert!(is_unsettled(exe), "{exe}");
        }
        for exe in ["/usr/bin/curl", "/opt/tmp/x", ""] {
            assert!(!is_unsettled(exe), "{exe}");
        }
    }
}
