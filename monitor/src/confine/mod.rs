//! What the daemon gives up once everything is attached: rights that it does not need any more, files that it never
//! writes, system calls that it never makes.
//!
//! Capabilities, Landlock and seccomp belong to a thread, so each thread enters by itself; threads that it starts later are
//! born inside. Two roles differ. Only the thread that walks other network namespaces keeps capabilities, and it is outside
//! Landlock, which would forbid it to look at processes; it may open files for reading alone.

mod capabilities;
mod files;
mod syscalls;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::thread::CapabilitySet;
use tracing::warn;

use crate::capture::facility::{Facility, FacilityState};
use crate::sinks::{OutputSpec, Where};

/// Rights of the thread that walks: `setns(2)` asks for the first (`netns_install` in `net/core/net_namespace.c`), and
/// `/proc/PID/ns/net` of another user's process for the second (`PTRACE_MODE_READ_FSCREDS`, proc(5)).
const WALKER: CapabilitySet = CapabilitySet::SYS_ADMIN.union(CapabilitySet::SYS_PTRACE);

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves the control socket, writes records, reads files.
    Outputs,
    /// Drains the capture and keeps the state.
    Engine,
    /// Walks the sockets of all network namespaces.
    Walker,
}

/// How the daemon is confined; shared by its threads.
#[derive(Clone, Debug, Default)]
pub struct Confinement(Option<Arc<Plan>>);

#[derive(Debug)]
struct Plan {
    outputs: Vec<PathBuf>,
    state: PathBuf,
    /// By mechanism: why it does not hold for some thread.
    failures: Mutex<BTreeMap<&'static str, String>>,
    /// What Landlock enforces, as the kernel said.
    landlock: Mutex<Option<files::Enforced>>,
}

impl Confinement {
    /// None: every thread keeps what it has.
    pub fn off() -> Self {
        Self::default()
    }

    /// Writes only where `outputs` are, beside `socket` and below `state`.
    pub fn new(outputs: &[OutputSpec], socket: &Path, state: &Path) -> Self {
        let files = outputs.iter().filter_map(|output| match &output.place {
            Where::File(path) => Some(path.as_path()),
            Where::Stdout => None,
        });
        // As they are now: the daemon's own folder does not change, but whoever reads of them has another.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let rooms = files.chain([socket]).flat_map(files::rooms).map(absolute);
        let mut folders: Vec<PathBuf> = rooms.collect();
        folders.sort();
        folders.dedup();
        Self(Some(Arc::new(Plan {
            outputs: folders,
            state: absolute(state.to_owned()),
            failures: Mutex::default(),
            landlock: Mutex::default(),
        })))
    }

    /// Confines the calling thread, and all that it starts. What this kernel does not have is passed over, and told by
    /// [`Self::report`].
    pub fn enter(&self, role: Role) {
        let Some(plan) = &self.0 else { return };
        let folders = match role {
            Role::Outputs => Some(plan.outputs.as_slice()),
            Role::Engine => Some(std::slice::from_ref(&plan.state)),
            Role::Walker => None,
        };
        if let Some(folders) = folders {
            match files::restrict(folders) {
                Ok(enforced) => *lock(&plan.landlock) = Some(enforced),
                Err(error) => plan.failed("landlock", &error),
            }
        }
        // Before seccomp, which refuses what sheds them.
        let keep = match role {
            Role::Outputs | Role::Engine => CapabilitySet::empty(),
            Role::Walker => WALKER,
        };
        if let Err(error) = capabilities::keep(keep) {
            plan.failed("capabilities", &error.to_string());
        }
        if let Err(error) = syscalls::refuse(role == Role::Walker) {
            plan.failed("seccomp", &error);
        }
    }

    /// Where outputs may be opened from now on; empty where that is anywhere.
    pub fn outputs(&self) -> &[PathBuf] {
        self.0.as_ref().map_or(&[], |plan| &plan.outputs)
    }

    /// What holds, by mechanism, as the kernel tells it of every thread.
    pub fn report(&self) -> Vec<Facility> {
        let Some(plan) = &self.0 else {
            let state = FacilityState::Degraded {
                lost: "whoever takes the daemon over has all its rights".to_owned(),
                mend: "[daemon] confine = true, and a restart".to_owned(),
            };
            return vec![Facility {
                name: "confinement",
                purpose: "giving up what is not needed",
                state,
                detail: "off".to_owned(),
            }];
        };
        let threads = Thread::all();
        vec![plan.capabilities(&threads), plan.seccomp(&threads), plan.landlock()]
    }
}

impl Plan {
    fn failed(&self, mechanism: &'static str, why: &str) {
        if lock(&self.failures).insert(mechanism, why.to_owned()).is_none() {
            warn!("{mechanism}: cannot be used to confine the daemon: {why}; `monitor status` says what holds");
        }
    }

    fn capabilities(&self, threads: &[Thread]) -> Facility {
        let purpose = "rights beyond those of an ordinary process";
        let excess: Vec<String> = threads
            .iter()
            .filter(|thread| !WALKER.contains(thread.effective) || (!thread.effective.is_empty() && !thread.walks()))
            .map(Thread::described)
            .collect();
        if !excess.is_empty() {
            return Facility {
                name: "capabilities",
                purpose,
                state: FacilityState::Degraded {
                    lost: format!("kept by {}", excess.join(", ")),
                    mend: self.why("capabilities"),
                },
                detail: String::new(),
            };
        }
        let mut kept: Vec<String> = threads
            .iter()
            .filter(|thread| !thread.effective.is_empty())
            .map(Thread::described)
            .collect();
        kept.dedup();
        let kept = if kept.is_empty() {
            "no thread has any".to_owned()
        } else {
            format!("{}; no other thread has any", kept.join(", "))
        };
        Facility::ok("capabilities", purpose, kept)
    }

    fn seccomp(&self, threads: &[Thread]) -> Facility {
        let purpose = "system calls that the daemon never makes";
        let free: Vec<&str> = threads
            .iter()
            .filter(|thread| !thread.filtered || !thread.no_new_privileges)
            .map(|thread| thread.name.as_str())
            .collect();
        if free.is_empty() {
            return Facility::ok(
                "seccomp",
                purpose,
                "starting programs, other namespaces, mounts, modules, tracing, the network and new kernel programs are refused",
            );
        }
        Facility {
            name: "seccomp",
            purpose,
            state: FacilityState::Degraded {
                lost: format!("no call is refused to {}", free.join(", ")),
                mend: self.why("seccomp"),
            },
            detail: String::new(),
        }
    }

    fn landlock(&self) -> Facility {
        let purpose = "files that the daemon never writes, connections it never makes";
        let enforced = *lock(&self.landlock);
        let folders: Vec<String> = self
            .outputs
            .iter()
            .chain([&self.state])
            .map(|folder| folder.display().to_string())
            .collect();
        let folders = folders.join(", ");
        let state = match enforced {
            Some(files::Enforced::Whole { abi }) if !lock(&self.failures).contains_key("landlock") => {
                return Facility::ok("landlock", purpose, format!("version {abi}; writes only in {folders}"));
            }
            Some(files::Enforced::Whole { .. }) | None => FacilityState::Degraded {
                lost: "files of root can be written anywhere".to_owned(),
                mend: self.why("landlock"),
            },
            Some(files::Enforced::Partly { abi }) => FacilityState::Degraded {
                lost: format!("of what is wanted this kernel has a part (version {abi}); writes only in {folders}"),
                mend: "Linux 6.12 or newer".to_owned(),
            },
            Some(files::Enforced::Nothing) => FacilityState::Degraded {
                lost: "files of root can be written anywhere".to_owned(),
                mend: "Linux 6.12 or newer with CONFIG_SECURITY_LANDLOCK=y, and landlock in the kernel's lsm="
                    .to_owned(),
            },
        };
        Facility {
            name: "landlock",
            purpose,
            state,
            detail: String::new(),
        }
    }

    fn why(&self, mechanism: &str) -> String {
        let failures = lock(&self.failures);
        failures.get(mechanism).map_or_else(
            || "this is a bug of the monitor: please report it".to_owned(),
            |why| format!("the kernel said: {why}"),
        )
    }
}

/// What this kernel can enforce, tried on a thread of its own.
pub fn probe() -> Vec<Facility> {
    let tried = std::thread::Builder::new().name("confined".to_owned()).spawn(|| {
        let nothing = Confinement(Some(Arc::new(Plan {
            outputs: Vec::new(),
            state: PathBuf::from("/nonexistent"),
            failures: Mutex::default(),
            landlock: Mutex::default(),
        })));
        nothing.enter(Role::Engine);
        let Some(plan) = nothing.0 else { return Vec::new() };
        let own: Vec<Thread> = Thread::all().into_iter().filter(Thread::is_current).collect();
        let mut rows = vec![plan.capabilities(&own), plan.seccomp(&own), plan.landlock()];
        for row in &mut rows {
            if matches!(row.state, FacilityState::Ok) {
                "can be confined".clone_into(&mut row.detail);
            }
        }
        rows
    });
    tried.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
}

/// A thread of this process as `/proc` shows it (`/proc/PID/task/TID/status`, proc(5)).
#[derive(Debug)]
struct Thread {
    id: i32,
    name: String,
    effective: CapabilitySet,
    no_new_privileges: bool,
    filtered: bool,
}

impl Thread {
    fn all() -> Vec<Self> {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let mut threads: Vec<Self> = tasks
            .filter_map(|task| {
                let id = task.file_name().to_string_lossy().parse().ok()?;
                // One that has ended meanwhile holds nothing.
                Self::read(id, &fs::read_to_string(task.path().join("status")).ok()?)
            })
            .collect();
        threads.sort_by_key(|thread| thread.id);
        threads
    }

    fn read(id: i32, status: &str) -> Option<Self> {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        Some(Self {
            id,
            name: field("Name")?.to_owned(),
            effective: CapabilitySet::from_bits_retain(u64::from_str_radix(field("CapEff")?, 16).ok()?),
            no_new_privileges: field("NoNewPrivs")? == "1",
            filtered: field("Seccomp")? == "2",
        })
    }

    fn is_current(&self) -> bool {
        self.id == rustix::thread::gettid().as_raw_nonzero().get()
    }

    /// Threads that it starts have its name.
    fn walks(&self) -> bool {
        self.name == crate::capture::ebpf::WALKER
    }

    fn described(&self) -> String {
        format!("{}: {}", self.name, capabilities::names(self.effective).join(", "))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `work` gives on a confined thread, so that the test's own is left free.
    fn confined<T: Send + 'static>(
        confinement: Confinement,
        role: Role,
        work: impl FnOnce(&Confinement) -> T + Send + 'static,
    ) -> T {
        let thread = std::thread::spawn(move || {
            confinement.enter(role);
            work(&confinement)
        });
        thread.join().unwrap()
    }

    fn own() -> Thread {
        Thread::all().into_iter().find(Thread::is_current).unwrap()
    }

    #[test]
    fn a_thread_keeps_what_its_role_needs() {
        let here = Confinement::new(&[], Path::new("/run/monitor/control.sock"), Path::new("/"));
        let engine = confined(here.clone(), Role::Engine, |_| own());
        assert!(engine.effective.is_empty(), "{engine:?}");
        let walker = confined(here, Role::Walker, |_| own());
        assert!(WALKER.contains(walker.effective), "{walker:?}");
        for thread in [engine, walker] {
            assert!(thread.filtered && thread.no_new_privileges, "{thread:?}");
        }
        assert!(!own().filtered, "others go on");
    }

    #[test]
    fn programs_and_sockets_are_refused() {
        let here = Confinement::new(&[], Path::new("/run/monitor/control.sock"), Path::new("/"));
        let (program, socket, local) = confined(here, Role::Outputs, |_| {
            (
                std::process::Command::new("/bin/true").status().map_err(|e| e.kind()),
                std::net::UdpSocket::bind("127.0.0.1:0").map_err(|e| e.kind()),
                std::os::unix::net::UnixDatagram::unbound().is_ok(),
            )
        });
        assert_eq!(program.unwrap_err(), std::io::ErrorKind::PermissionDenied);
        assert_eq!(socket.unwrap_err(), std::io::ErrorKind::PermissionDenied);
        assert!(local, "the service manager is told");
    }

    #[test]
    fn the_walker_reads_and_does_not_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "1").unwrap();
        let here = Confinement::new(&[], Path::new("/run/monitor/control.sock"), dir.path());
        let (text, written, removed) = confined(here, Role::Walker, move |_| {
            let text = fs::read_to_string(&path).unwrap();
            let kind = |result: std::io::Result<()>| result.map_err(|e| e.kind());
            (text, kind(fs::write(&path, "2")), kind(fs::remove_file(&path)))
        });
        assert_eq!(text, "1");
        assert_eq!(written, Err(std::io::ErrorKind::PermissionDenied));
        assert_eq!(removed, Err(std::io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn writes_are_for_its_folders_where_the_kernel_has_landlock() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        let here = Confinement::new(&[], Path::new("/run/monitor/control.sock"), &inside);
        let (there, elsewhere, rows) = confined(here, Role::Engine, move |here| {
            (
                fs::write(inside.join("file"), "1").is_ok(),
                fs::write(outside.join("file"), "1").is_ok(),
                here.report(),
            )
        });
        assert!(there);
        let row = rows.iter().find(|row| row.name == "landlock").unwrap();
        assert_eq!(elsewhere, !matches!(row.state, FacilityState::Ok), "{row:?}");
    }

    #[test]
    fn a_link_to_a_file_elsewhere_counts_as_both() {
        let dir = tempfile::tempdir().unwrap();
        let far = dir.path().join("far");
        fs::create_dir(&far).unwrap();
        fs::write(far.join("real"), "").unwrap();
        let link = dir.path().join("link.jsonl");
        std::os::unix::fs::symlink(far.join("real"), &link).unwrap();
        let spec = |place: &Path| OutputSpec {
            types: None,
            place: Where::File(place.to_owned()),
        };
        let socket = dir.path().join("control.sock");
        let here = Confinement::new(&[spec(&link), spec(Path::new("/dev/full"))], &socket, dir.path());
        assert_eq!(here.outputs(), [Path::new("/dev/full"), dir.path(), &far]);
    }

    #[test]
    fn off_is_told() {
        let [row] = &Confinement::off().report()[..] else {
            panic!("one row")
        };
        assert!(matches!(row.state, FacilityState::Degraded { .. }));
        Confinement::off().enter(Role::Walker);
        assert!(!own().filtered);
    }

    #[test]
    fn a_kernel_says_what_it_has() {
        let rows = probe();
        assert_eq!(
            rows.iter().map(|row| row.name).collect::<Vec<_>>(),
            ["capabilities", "seccomp", "landlock"]
        );
        assert!(matches!(rows[0].state, FacilityState::Ok), "{rows:?}");
    }
}
