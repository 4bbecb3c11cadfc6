//! Walks the TCP sockets of every network namespace by the kernel's iterator: those older than the monitor are found,
//! those that moved since their last record say so, and what the walk did not meet has ended.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::programs::Iter;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::monotonic_ns;
use crate::confine::{Confinement, Role};
use crate::event::Living;
use crate::event::decode;
use crate::flow::Transport;

/// Name of the thread that walks, and of those that it starts.
pub const WALKER: &str = "walker";

/// Namespaces walked at most; a host with more has those beyond counted from their next packet on.
const MAX_NAMESPACES: usize = 1_024;

/// Walks when told to, on a thread of its own: it moves between namespaces, and the rings must be read meanwhile.
#[derive(Debug)]
pub(super) struct Walker {
    wishes: SyncSender<()>,
    walks: Receiver<Walk>,
}

/// What a walk gave.
#[derive(Debug)]
pub(super) struct Walk {
    /// The connections that it met.
    pub(super) living: Living,
    /// When it began, `CLOCK_MONOTONIC` nanoseconds.
    pub(super) began_ns: u64,
    /// When it was over: what it did not meet had written its last record by then.
    pub(super) ended_ns: u64,
}

impl Walker {
    /// Starts the thread, confined; it ends with the walker.
    pub(super) fn start(ebpf: Arc<Mutex<Ebpf>>, confinement: Confinement) -> Result<Self> {
        // One wish waits at most: two walks in a row find no more than one.
        let (wishes, told) = sync_channel(1);
        let (give, walks) = sync_channel(1);
        thread::Builder::new()
            .name(WALKER.to_owned())
            .spawn(move || {
                confinement.enter(Role::Walker);
                for () in told {
                    let Ok(walk) = ebpf.lock().map(|mut ebpf| walk(&mut ebpf)) else {
                        break;
                    };
                    // The one before that nobody has taken says as much.
                    let _ = give.try_send(walk);
                }
            })
            .context("starting the thread that walks sockets")?;
        Ok(Self { wishes, walks })
    }

    /// Walks soon, unless a walk is waiting already.
    pub(super) fn walk(&self) {
        let _ = self.wishes.try_send(());
    }

    /// Walks now, and waits for the end of it; nothing where that takes longer than `patience`.
    pub(super) fn walk_now(&self, patience: Duration) -> Option<Walk> {
        let asked = monotonic_ns();
        self.walk();
        loop {
            let waited = Duration::from_nanos(monotonic_ns().saturating_sub(asked));
            let walk = self.walks.recv_timeout(patience.saturating_sub(waited)).ok()?;
            // One that was under way may have passed by what has come since.
            if walk.began_ns >= asked {
                return Some(walk);
            }
            self.walk();
        }
    }

    /// A walk that is over.
    pub(super) fn walked(&self) -> Option<Walk> {
        self.walks.try_recv().ok()
    }
}

/// Walks once. Records come through the ring; a kernel without the iterator has nothing to walk, and then no namespace
/// was walked to its end.
pub(super) fn walk(ebpf: &mut Ebpf) -> Walk {
    let began_ns = monotonic_ns();
    let mut living = Living::new(Transport::Tcp);
    if let Some(program) = ebpf.program_mut("monitor_tcp_iter")
        && let Ok(program) = <&mut Iter>::try_from(program)
        && program.fd().is_ok()
        && read_iterator(program, &mut living).is_ok()
    {
        // The thread goes with the namespace it was moved to.
        thread::scope(|scope| {
            scope.spawn(|| {
                for namespace in other_namespaces() {
                    if move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).is_ok() {
                        let _ = read_iterator(program, &mut living);
                    }
                }
            });
        });
    }
    Walk {
        living,
        began_ns,
        ended_ns: monotonic_ns(),
    }
}

fn read_iterator(program: &mut Iter, living: &mut Living) -> Result<()> {
    let link = program.attach()?;
    let mut file = program.take_link(link)?.into_file()?;
    let mut entries = Vec::new();
    file.read_to_end(&mut entries).context("reading the socket iterator")?;
    decode::walked(&entries, living)?;
    Ok(())
}

/// One open file for each network namespace that some process is in or that is mounted (`ip netns`, containers), but for
/// the daemon's own.
fn other_namespaces() -> Vec<File> {
    let mut seen: BTreeSet<u64> = fs::metadata("/proc/self/ns/net").map(|m| m.ino()).into_iter().collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes
        .filter(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with(|c: char| c.is_ascii_digit())
        })
        .map(|entry| entry.path().join("ns/net"));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found = Vec::new();
    for path in processes.chain(mounted(&mounts)) {
        if found.len() >= MAX_NAMESPACES {
            break;
        }
        if let Ok(file) = File::open(&path)
            && let Ok(metadata) = file.metadata()
            && seen.insert(metadata.ino())
        {
            found.push(file);
        }
    }
    found
}

/// Mount points of network namespaces in `table`, as proc(5) describes `mountinfo`: the root of such a mount is
/// `net:[inode]`. One whose path has white space is passed over.
fn mounted(table: &str) -> impl Iterator<Item = PathBuf> {
    table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (root.starts_with("net:[") && !point.contains('\\')).then(|| PathBuf::from(point))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_mounted_namespaces() {
        let table = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                     91 40 0:4 net:[4026532301] /run/netns/blue rw shared:5 - nsfs nsfs rw\n\
                     92 40 0:4 mnt:[4026532302] /run/mnt rw - nsfs nsfs rw\n";
        let found: Vec<_> = mounted(table).collect();
        assert_eq!(found, [PathBuf::from("/run/netns/blue")]);
    }
}
