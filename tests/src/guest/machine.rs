//! A machine that qemu makes up, instruction by instruction: slow, and needs nothing of the host.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::console::Console;

/// Memory of the guest, MiB: the monitor's rings and maps, and its file system twice while that is unpacked.
const MEMORY: &str = "1024";

/// Boots `kernel` with the file system `initramfs`, and gives what it printed until it turned itself off, or until `limit`.
pub fn boot(kernel: &Path, initramfs: &Path, limit: Duration) -> Result<(Console, Duration)> {
    let began = Instant::now();
    let mut output = tempfile::tempfile()?;
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-cpu", "max", "-m", MEMORY, "-no-reboot"])
        .args([
            "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio",
        ])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init"])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start qemu-system-x86_64")?;
    while qemu.try_wait()?.is_none() {
        if began.elapsed() > limit {
            let pid = i32::try_from(qemu.id()).ok().and_then(Pid::from_raw);
            pid.map(|pid| kill_process(pid, Signal::KILL)).transpose()?;
            qemu.wait()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok((Console::new(&all(&mut output)?), began.elapsed()))
}

fn all(file: &mut File) -> Result<Vec<u8>> {
    use std::io::Seek as _;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
