//! Where bytes are put: standard output, or a file that may be moved away under us.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::warn;

use super::Where;

/// Mode of a file that we create: what it tells is for its owner and group.
const FILE_MODE: u32 = 0o640;

/// How often a file that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What every line of ours begins with.
const BEGINNING: &[u8] = b"{\"type\":";

/// How much of a file's end is looked at for a line that was torn: more than any line has.
const TAIL: usize = 1 << 20;

/// Standard output or an open file.
#[derive(Debug)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// A file.
    File(LogFile),
}

/// A file that is appended to and found again by its path.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// The open file with its device and inode; absent after a failed reopening.
    open: Option<(File, (u64, u64))>,
    /// When opening failed last.
    failed: Option<Instant>,
}

/// An append that did not go through.
#[derive(Debug)]
pub struct Torn {
    /// Bytes that are in place, whole lines only.
    pub kept: usize,
    /// Why not all.
    pub error: io::Error,
}

impl Place {
    /// Opens it; a file is created where it lacks.
    pub fn open(place: &Where) -> io::Result<Self> {
        match place {
            Where::Stdout => Ok(Self::Stdout),
            Where::File(path) => Ok(Self::File(LogFile {
                path: path.clone(),
                open: Some(open(path)?),
                failed: None,
            })),
        }
    }

    /// Appends whole lines. What is in place afterwards ends with a whole line too.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), Torn> {
        match self {
            Self::Stdout => write_lines(&mut io::stdout().lock(), lines),
            Self::File(file) => file.append(lines),
        }
    }

    /// Opens a file anew by its path, as after a rotation.
    pub fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => file.reopen(),
        }
    }
}

impl LogFile {
    fn append(&mut self, lines: &[u8]) -> Result<(), Torn> {
        let nothing = |error| Torn { kept: 0, error };
        if self.was_moved() {
            self.reopen().map_err(nothing)?;
        }
        let Some((file, _)) = &mut self.open else {
            return Err(nothing(io::Error::from(io::ErrorKind::NotFound)));
        };
        write_lines(file, lines)
    }

    /// Whether the path names another file than the open one, or none.
    fn was_moved(&self) -> bool {
        match &self.open {
            Some((_, identity)) => std::fs::metadata(&self.path).map_or(true, |m| (m.dev(), m.ino()) != *identity),
            None => self.failed.is_none_or(|at| at.elapsed() >= RETRY),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        match open(&self.path) {
            Ok(opened) => {
                self.open = Some(opened);
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                self.open = None;
                self.failed = Some(Instant::now());
                Err(error)
            }
        }
    }
}

fn open(path: &Path) -> io::Result<(File, (u64, u64))> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        mend_end(&file, metadata.len(), path)?;
    }
    Ok((file, (metadata.dev(), metadata.ino())))
}

/// Ends the file with a whole line. The kernel may cut a write short at the border of a page when the writer is killed
/// (`generic_perform_write` in `mm/filemap.c`): such a part of a line of ours is taken back. What is not ours gets an end.
fn mend_end(file: &File, length: u64, path: &Path) -> io::Result<()> {
    let mut tail = vec![0; usize::try_from(length).unwrap_or(TAIL).min(TAIL)];
    let from = length - tail.len() as u64;
    file.read_exact_at(&mut tail, from)?;
    let begins = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = tail.get(begins..).unwrap_or_default();
    let compared = torn.len().min(BEGINNING.len());
    if torn.is_empty() {
        return Ok(());
    }
    if torn.get(..compared) == BEGINNING.get(..compared) {
        warn!(
            "{}: its last line had no end, {} bytes are taken back: the monitor that wrote it was killed",
            path.display(),
            torn.len()
        );
        file.set_len(length - torn.len() as u64)
    } else {
        (&mut &*file).write_all(b"\n")
    }
}

/// What a half-written line can be taken back from.
trait TakeBack: Write {
    /// Removes the last `bytes` bytes; false where that cannot be done.
    fn take_back(&mut self, bytes: u64) -> bool;
}

impl TakeBack for File {
    fn take_back(&mut self, bytes: u64) -> bool {
        self.metadata()
            .is_ok_and(|m| m.is_file() && self.set_len(m.len().saturating_sub(bytes)).is_ok())
    }
}

impl TakeBack for io::StdoutLock<'_> {
    fn take_back(&mut self, _: u64) -> bool {
        false
    }
}

fn write_lines(to: &mut impl TakeBack, lines: &[u8]) -> Result<(), Torn> {
    let mut done = 0;
    let error = loop {
        if done == lines.len() {
            match to.flush() {
                Ok(()) => return Ok(()),
                Err(error) => break error,
            }
        }
        match to.write(&lines[done..]) {
            Ok(0) => break io::ErrorKind::WriteZero.into(),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    let kept = lines[..done].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if done > kept {
        to.take_back((done - kept) as u64);
    }
    Err(Torn { kept, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_in(dir: &tempfile::TempDir) -> (PathBuf, Place) {
        let path = dir.path().join("out.jsonl");
        let place = Place::open(&Where::File(path.clone())).unwrap();
        (path, place)
    }

    #[test]
    fn a_file_is_appended_to_and_followed_when_it_is_moved() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("out.jsonl"), "0\n").unwrap();
        let (path, mut place) = open_in(&dir);
        place.append(b"1\n").unwrap();
        std::fs::rename(&path, dir.path().join("out.1")).unwrap();
        place.append(b"2\n").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("out.1")).unwrap(), "0\n1\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
    }

    #[test]
    fn a_directory_that_vanished_is_an_error_until_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("log");
        std::fs::create_dir(&sub).unwrap();
        let path = sub.join("out.jsonl");
        let mut place = Place::open(&Where::File(path.clone())).unwrap();
        std::fs::remove_dir_all(&sub).unwrap();
        assert_eq!(place.append(b"1\n").unwrap_err().kept, 0);
        std::fs::create_dir(&sub).unwrap();
        place.reopen().unwrap();
        place.append(b"2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
    }

    #[test]
    fn a_line_that_was_torn_is_taken_back_and_what_is_not_ours_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        for (before, after) in [
            ("", "1\n"),
            ("0\n", "0\n1\n"),
            ("0\n{\"type\":\"alert\",\"ti", "0\n1\n"),
            ("0\n{\"ty", "0\n1\n"),
            ("{\"type\":\"al", "1\n"),
            ("0\n# somebody's", "0\n# somebody's\n1\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            let mut place = Place::open(&Where::File(path.clone())).unwrap();
            place.append(b"1\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after, "{before}");
        }
    }

    /// Takes a few bytes, then is full.
    struct Small(Vec<u8>, usize);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.1 - self.0.len());
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl TakeBack for Small {
        fn take_back(&mut self, bytes: u64) -> bool {
            self.0.truncate(self.0.len() - bytes as usize);
            true
        }
    }

    #[test]
    fn a_full_disk_keeps_whole_lines_only() {
        for room in 0..6 {
            let mut small = Small(Vec::new(), room);
            let torn = write_lines(&mut small, b"1\n22\n3\n").unwrap_err();
            let whole: &[u8] = match room {
                0 | 1 => b"",
                2..=4 => b"1\n",
                _ => b"1\n22\n",
            };
            assert_eq!(small.0, whole, "room for {room}");
            assert_eq!(torn.kept, whole.len());
        }
    }
}
