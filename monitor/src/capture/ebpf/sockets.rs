//! Walks the TCP sockets of every network namespace by the kernel's iterator: those older than the monitor are found, and
//! those that moved since their last record say so.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::programs::Iter;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Namespaces walked at most; a host with more has those beyond counted from their next packet on.
const MAX_NAMESPACES: usize = 1_024;

/// Walks when told to, on a thread of its own: it moves between namespaces, and the rings must be read meanwhile.
#[derive(Debug)]
pub(super) struct Walker {
    wishes: SyncSender<()>,
}

impl Walker {
    /// Starts the thread; it ends with the walker.
    pub(super) fn start(ebpf: Arc<Mutex<Ebpf>>) -> Result<Self> {
        // One wish waits at most: two walks in a row find no more than one.
        let (wishes, told) = sync_channel(1);
        thread::Builder::new()
            .name("walker".to_owned())
            .spawn(move || {
                for () in told {
                    if let Ok(mut ebpf) = ebpf.lock() {
                        walk(&mut ebpf);
                    }
                }
            })
            .context("starting the thread that walks sockets")?;
        Ok(Self { wishes })
    }

    /// Walks soon, unless a walk is waiting already.
    pub(super) fn walk(&self) {
        let _ = self.wishes.try_send(());
    }
}

/// Walks once. Records come through the ring; a kernel without the iterator has nothing to walk.
pub(super) fn walk(ebpf: &mut Ebpf) {
    let Some(program) = ebpf.program_mut("monitor_tcp_iter") else {
        return;
    };
    let Ok(program) = <&mut Iter>::try_from(program) else {
        return;
    };
    if program.fd().is_err() || read_iterator(program).is_err() {
        return;
    }
    // The thread goes with the namespace it was moved to.
    thread::scope(|scope| {
        scope.spawn(|| {
            for namespace in other_namespaces() {
                if move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).is_ok() {
                    let _ = read_iterator(program);
                }
            }
        });
    });
}

fn read_iterator(program: &mut Iter) -> Result<()> {
    let link = program.attach()?;
    let mut file = program.take_link(link)?.into_file()?;
    let mut buffer = [0; 4_096];
    while file.read(&mut buffer).context("reading the socket iterator")? > 0 {}
    Ok(())
}

/// One open file for each network namespace that some process is in, but for the daemon's own.
fn other_namespaces() -> Vec<File> {
    let mut seen: BTreeSet<u64> = fs::metadata("/proc/self/ns/net").map(|m| m.ino()).into_iter().collect();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if found.len() >= MAX_NAMESPACES
            || !entry
                .file_name()
                .to_string_lossy()
                .starts_with(|c: char| c.is_ascii_digit())
        {
            continue;
        }
        let path = entry.path().join("ns/net");
        if let Ok(file) = File::open(&path)
            && let Ok(metadata) = file.metadata()
            && seen.insert(metadata.ino())
        {
            found.push(file);
        }
    }
    found
}
