//! What a command needs of the machine besides the BPF toolchain.

use crate::programs;

/// How much is to be made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Compile and run the monitor.
    Build,
    /// Also run its tests against real servers and clients.
    Test,
    /// Also boot other kernels.
    Guests,
}

/// A program and the Debian packages that bring it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) packages: &'static [&'static str],
    /// Why it is needed, for the reader of the list.
    pub(crate) purpose: &'static str,
}

const fn program(name: &'static str, packages: &'static [&'static str], purpose: &'static str) -> Program {
    Program {
        name,
        packages,
        purpose,
    }
}

/// Needed to build.
const BUILD: &[Program] = &[program(
    "cc",
    &["gcc", "libc6-dev"],
    "compiles SQLite and links programs",
)];

/// Needed by the tests alone; `build` and `run` never install these.
const TEST: &[Program] = &[
    program("nginx", &["nginx-light"], "server under test"),
    program("python3", &["python3"], "server under test"),
    program("gunicorn", &["gunicorn"], "server under test, with workers"),
    program("node", &["nodejs"], "server under test"),
    program("curl", &["curl"], "client under test"),
    program("wrk", &["wrk"], "load"),
    program("ab", &["apache2-utils"], "load"),
    program("ip", &["iproute2"], "network namespaces"),
    program("nft", &["nftables"], "NAT and lost packets between namespaces"),
    program("tcpdump", &["tcpdump"], "what was on the wire, as evidence"),
    program("bpftool", &["bpftool"], "what the kernel holds, as evidence"),
];

/// Needed to boot other kernels.
const GUESTS: &[Program] = &[
    program(
        "qemu-system-x86_64",
        &["qemu-system-x86"],
        "the machine that a kernel boots on",
    ),
    program("busybox", &["busybox-static"], "the guest's programs"),
];

impl Need {
    /// The programs that are needed and not found.
    pub(crate) fn missing(self) -> Vec<&'static Program> {
        self.all()
            .filter(|program| programs::find(program.name).is_none())
            .collect()
    }

    /// Every program that is needed.
    pub(crate) fn all(self) -> impl Iterator<Item = &'static Program> {
        let more: &[Program] = match self {
            Self::Build => &[],
            Self::Test => TEST,
            Self::Guests => GUESTS,
        };
        BUILD.iter().chain(more)
    }
}
