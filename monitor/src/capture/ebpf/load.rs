//! Loading: settings and offsets into the globals, sizes into the maps, programs past the verifier.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use aya::maps::{Array, HashMap};
use aya::{Btf, Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use monitor_common::{Knobs, Offsets};
use rustix::process::geteuid;

use super::cgroup::CgroupRoot;
use super::kernel_log::{KernelLog, LEVEL};
use super::plain::Plain;
use super::{Capture, monotonic_ns, offsets, programs, rings::Rings, sockets::Walker, sweep::Sweeper, wall_offset_ns};
use crate::capture::facility::{Facility, FacilityState};
use crate::config::Capture as CaptureConfig;
use crate::confine::Confinement;
use crate::event::decode::Clock;

/// The kernel object, built for the BPF target and carried in the binary.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/monitor.bpf.o"));

/// See [`Capture::start`].
pub(super) fn start(
    config: &CaptureConfig,
    private: &Path,
    kernel_log: bool,
    confinement: &Confinement,
) -> Result<Capture> {
    require_root()?;
    let cgroup = CgroupRoot::find(private)?;
    let root = cgroup.open()?;
    let (offsets, absent) = offsets::read()?;
    offsets::require(&absent)?;
    let mut ebpf = load(config, &cgroup, offsets, kernel_log)?;
    let btf = Btf::from_sys_fs().context("reading the kernel's BTF")?;
    fill_scope(&mut ebpf, config, &cgroup)?;
    let kernel_log = if kernel_log {
        let log = EbpfLogger::init_with_logger(&mut ebpf, KernelLog);
        Some(log.context("the kernel programs' log can not be read")?)
    } else {
        None
    };
    // Sweeping and reading must work before anything is attached and begins to fill the rings.
    let rings = Rings::new(&mut ebpf)?;
    let sweeper = Sweeper::new(&mut ebpf)?;
    let mut map = |name: &str| ebpf.take_map(name).with_context(|| format!("no map {name}"));
    let policies = HashMap::try_from(map("POLICIES")?)?;
    let policy_epoch = Array::try_from(map("POLICY_EPOCH")?)?;
    let service_snap = Array::try_from(map("SERVICE_SNAP")?)?;
    let left_out = Array::try_from(map("LEFT_OUT")?)?;
    let local_destinations = HashMap::try_from(map("LOCAL_DESTINATIONS")?)?;
    let facilities = programs::attach(&mut ebpf, &btf, &root, true);
    if let Some(missing) = facilities.iter().find(|f| f.is_missing())
        && let FacilityState::Missing { mend } = &missing.state
    {
        bail!("{} ({}) can not be used: {mend}", missing.name, missing.purpose);
    }
    drop(btf);
    crate::allocator::give_back();
    let now = monotonic_ns();
    let ebpf = Arc::new(Mutex::new(ebpf));
    Ok(Capture {
        walker: Walker::start(Arc::clone(&ebpf), confinement.clone())?,
        _ebpf: ebpf,
        _cgroup: cgroup,
        kernel_log,
        rings,
        sweeper,
        clock: Clock {
            offset_ns: wall_offset_ns(),
        },
        clock_read: now,
        policies,
        policy_epoch,
        epoch: 0,
        service_snap,
        left_out,
        local_destinations,
        facilities,
        losses_seen: 0,
        walked: now,
        walk: None,
        closes_at_walk: 0,
        closes_before_walk: 0,
        closes_reconciled: 0,
    })
}

/// What this kernel and this user allow, without attaching anything.
pub fn probe(config: &CaptureConfig, private: &Path) -> Vec<Facility> {
    let mut table = Vec::new();
    let missing = |name, purpose, error: &anyhow::Error| Facility {
        name,
        purpose,
        state: FacilityState::Missing {
            mend: format!("{error:#}"),
        },
        detail: String::new(),
    };
    if let Err(error) = require_root() {
        return vec![missing("rights", "loading kernel programs", &error)];
    }
    table.push(Facility::ok("rights", "loading kernel programs", "root"));
    let (cgroup, root) = match CgroupRoot::find(private).and_then(|c| c.open().map(|root| (c, root))) {
        Ok(found) => found,
        Err(error) => {
            return [
                table,
                vec![missing("cgroup v2", "the place where packets are seen", &error)],
            ]
            .concat();
        }
    };
    let how = if cgroup.mounted_here { " (mounted here)" } else { "" };
    table.push(Facility::ok(
        "cgroup v2",
        "the place where packets are seen",
        format!("{}{how}", cgroup.path.display()),
    ));
    let offsets = match offsets::read() {
        Ok((offsets, absent)) if absent.is_empty() => {
            table.push(Facility::ok(
                "kernel BTF",
                "where the kernel keeps its counters",
                offsets::KERNEL_BTF,
            ));
            offsets
        }
        Ok((offsets, absent)) => {
            table.push(Facility {
                name: "kernel BTF",
                purpose: "where the kernel keeps its counters",
                state: FacilityState::Degraded {
                    lost: format!("what is read from {}", absent.join(", ")),
                    mend: "a kernel that has these fields".to_owned(),
                },
                detail: String::new(),
            });
            offsets
        }
        Err(error) => {
            return [
                table,
                vec![missing("kernel BTF", "where the kernel keeps its counters", &error)],
            ]
            .concat();
        }
    };
    let loaded = load(config, &cgroup, offsets, false).and_then(|ebpf| Ok((ebpf, Btf::from_sys_fs()?)));
    match loaded {
        Ok((mut ebpf, btf)) => {
            table.push(Facility::ok("maps", "rings, socket storage and tables", ""));
            table.extend(programs::attach(&mut ebpf, &btf, &root, false));
        }
        Err(error) => table.push(missing("maps", "rings, socket storage and tables", &error)),
    }
    table
}

/// Says how to mend it where this is not root.
pub fn require_root() -> Result<()> {
    if !geteuid().is_root() {
        bail!("the monitor must run as root to load kernel programs: try sudo");
    }
    Ok(())
}

fn load(config: &CaptureConfig, cgroup: &CgroupRoot, offsets: Offsets, kernel_log: bool) -> Result<Ebpf> {
    if OBJECT.is_empty() {
        bail!("this binary was built without its kernel programs: build it with `cargo xtask build`");
    }
    // Named early, so that a cgroup that does not exist is told before anything is loaded.
    for name in config.cgroups.iter().chain(&config.exclude_cgroups) {
        cgroup.id(name)?;
    }
    let knobs = Plain(Knobs {
        request_snap: config.request_snap,
        response_snap: config.response_snap,
        include_cgroups: u32::from(!config.cgroups.is_empty()),
        exclude_cgroups: u32::from(!config.exclude_cgroups.is_empty()),
        exclude_ports: u32::from(!config.exclude_ports.is_empty()),
        debug: u32::from(kernel_log),
        empty: u32::from(config.empty_programs),
        ..Knobs::DEFAULT
    });
    let offsets = Plain(offsets);
    let level = if kernel_log { LEVEL } else { 0 };
    let mut loader = EbpfLoader::new();
    loader
        .override_global("KNOBS", &knobs, true)
        .override_global("OFFSETS", &offsets, true)
        .override_global(aya_log::LEVEL, &level, false)
        .map_max_entries("PAYLOAD", config.payload_ring)
        .map_max_entries("LIFECYCLE", config.lifecycle_ring)
        .map_max_entries("CLOSED", config.deferred_closes);
    loader.load(OBJECT).map_err(|error| {
        anyhow::anyhow!(
            "the kernel refused the maps: {error}; it needs CONFIG_BPF_SYSCALL=y; Linux 6.1 and newer are known to do"
        )
    })
}

fn fill_scope(ebpf: &mut Ebpf, config: &CaptureConfig, cgroup: &CgroupRoot) -> Result<()> {
    let mut scope: HashMap<_, u64, u32> = HashMap::try_from(ebpf.map_mut("SCOPE").context("no map SCOPE")?)?;
    for name in &config.cgroups {
        scope.insert(cgroup.id(name)?, 1, 0)?;
    }
    for name in &config.exclude_cgroups {
        scope.insert(cgroup.id(name)?, 2, 0)?;
    }
    let mut ports: Array<_, u64> = Array::try_from(ebpf.map_mut("EXCLUDED_PORTS").context("no map EXCLUDED_PORTS")?)?;
    for &port in &config.exclude_ports {
        let word = u32::from(port) >> 6;
        let bits = ports.get(&word, 0)? | 1 << (port & 63);
        ports.set(word, bits, 0)?;
    }
    Ok(())
}
