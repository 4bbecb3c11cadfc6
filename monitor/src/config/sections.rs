//! The small tables of the configuration that belong to no single component of the core.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::Period;

/// How records name this host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Host {
    /// Name in every record; without it the kernel's host name.
    #[schemars(example = &"api-1")]
    pub name: Option<String>,
    /// What counts as this host when packet captures are replayed; live it is the kernel that knows. Without it the
    /// addresses are told from the packets.
    pub addresses: Vec<IpAddr>,
}

/// What of the host's traffic is watched, and how much of it is copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Watch only these cgroups and those below them, as paths under the cgroup v2 mount ("/system.slice/api.service");
    /// empty means the whole host.
    pub cgroups: Vec<String>,
    /// Leave these cgroups out, and those below them.
    pub exclude_cgroups: Vec<String>,
    /// Leave out connections that have one of these ports at either end.
    pub exclude_ports: Vec<u16>,
    /// Bytes copied of the start of each request; what follows is only counted. A service whose request headers do not
    /// fit is given more by itself. 256 to 65536.
    #[serde(deserialize_with = "snap")]
    #[schemars(range(min = 256, max = 65_536))]
    pub request_snap: u32,
    /// Bytes copied of the start of each response. 256 to 65536.
    #[serde(deserialize_with = "snap")]
    #[schemars(range(min = 256, max = 65_536))]
    pub response_snap: u32,
    /// Size of the ring between kernel and daemon that takes copied payload, bytes: a power of two, 4096 to 1073741824. A
    /// host whose `payload_ring_full` grows wants a larger one.
    #[serde(deserialize_with = "ring")]
    #[schemars(range(min = 4_096, max = 1_073_741_824))]
    pub payload_ring: u32,
    /// Size of the ring that takes what opens, goes on and ends, like `payload_ring`; see `lifecycle_ring_full`.
    #[serde(deserialize_with = "ring")]
    #[schemars(range(min = 4_096, max = 1_073_741_824))]
    pub lifecycle_ring: u32,
    /// Ends of flows that the kernel keeps where that ring is full, until the daemon comes for them. 1 to 1048576; see
    /// `close_lost`.
    #[serde(deserialize_with = "deferred_closes")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub deferred_closes: u32,
    /// The kernel programs return at once: for measuring what the hooks cost by themselves. No setting.
    #[serde(skip)]
    pub empty_programs: bool,
}

impl Default for Capture {
    fn default() -> Self {
        let knobs = monitor_common::knobs::Knobs::DEFAULT;
        Self {
            cgroups: Vec::new(),
            exclude_cgroups: Vec::new(),
            exclude_ports: Vec::new(),
            request_snap: knobs.request_snap,
            response_snap: knobs.response_snap,
            payload_ring: 8 << 20,
            lifecycle_ring: 4 << 20,
            deferred_closes: 65_536,
            empty_programs: false,
        }
    }
}

/// Below a request line there is nothing to read; above, one turn could fill a ring.
fn snap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let bytes = u32::deserialize(deserializer)?;
    if (256..=65_536).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(de::Error::custom(format!("{bytes} is not within 256 to 65536 bytes")))
    }
}

/// What the kernel takes as the size of a ring (`ringbuf_map_alloc` in `kernel/bpf/ringbuf.c`); a page of it is 4 KiB or
/// more, and one that is not whole pages is refused there.
fn ring<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let bytes = u32::deserialize(deserializer)?;
    if bytes.is_power_of_two() && (4_096..=1 << 30).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(de::Error::custom(format!(
            "{bytes} is not a power of two from 4096 to 1073741824"
        )))
    }
}

fn deferred_closes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let flows = u32::deserialize(deserializer)?;
    if (1..=1 << 20).contains(&flows) {
        Ok(flows)
    } else {
        Err(de::Error::custom(format!("{flows} is not within 1 to 1048576")))
    }
}

/// Where records go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// File to append records to as JSON lines; without it standard output. `--output` goes before it.
    #[schemars(example = &"/var/log/monitor/alerts.jsonl")]
    pub path: Option<PathBuf>,
}

/// The Unix socket that `monitor status`, `flows`, `alerts` and the other queries ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Where it is.
    pub socket: PathBuf,
    /// Members of this group may ask too; without it only root and the daemon's own user.
    #[schemars(example = &"monitor")]
    pub group: Option<String>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/monitor/control.sock"),
            group: None,
        }
    }
}

/// How long the monitor watches before it judges by what it has learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Learning {
    /// Counted in event time, for each subject (program, endpoint, identity, …) from its first sight. "0s" judges at
    /// once.
    pub period: Period,
}

impl Default for Learning {
    /// A week holds each hour of the week once.
    fn default() -> Self {
        Self {
            period: Period::from_days(7),
        }
    }
}

/// What the monitor itself may cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// CPU time of the daemon, percent of that of all the host's processors together. Beyond it some connections are only
    /// counted (`left_out.over_budget`, and `over_budget` in the coverage of their flows) until it is within again. Above
    /// 0; 100 reads everything, whatever it costs.
    #[serde(deserialize_with = "percent")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
    pub cpu_percent: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { cpu_percent: 5.0 }
    }
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let percent = f64::deserialize(deserializer)?;
    if percent > 0.0 && percent <= 100.0 {
        Ok(percent)
    } else {
        Err(de::Error::custom(format!("{percent} is not above 0 and at most 100")))
    }
}

/// The daemon's own rights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// Once everything is attached, give up what is not needed any more: capabilities, writing elsewhere than to the state,
    /// the outputs' folders and the socket's (Landlock), starting programs, mounting, tracing, the network (seccomp). With
    /// it an output in another folder takes a restart, as does one whose folder was removed and made anew, and files that are
    /// read again must be readable to root without special rights. Turn it off where a tool must look into the daemon from within (a profiler that is preloaded), or
    /// outputs move between folders while it runs.
    pub confine: bool,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { confine: true }
    }
}

/// Limits on the monitor's own memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Alerts open at a time. Beyond it the least severe and longest quiet one is closed, and counted.
    #[schemars(range(min = 1))]
    pub open_alerts: std::num::NonZeroU32,
}

impl Default for Bounds {
    /// About 4 KiB each with five samples: 4 MiB. A person reads tens.
    fn default() -> Self {
        Self {
            open_alerts: std::num::NonZeroU32::MIN.saturating_add(1023),
        }
    }
}
