//! Set-up, build, test and run of the workspace: `cargo xtask <COMMAND>`.
//!
//! One file per subcommand. What a command needs and the machine lacks is found out and installed by [`setup`]; the
//! kernel object is built by [`bpf`]; everything else is plain cargo.

mod bench;
mod bpf;
mod build;
mod cargo;
mod conformance;
mod fuzz;
mod lint;
mod package;
mod programs;
mod reproduce;
mod run;
mod sbom;
mod scenarios;
mod setup;
mod test;
mod toolchain;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, build, test and run of the monitor")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the kernel programs and the monitor that carries them
    Build(build::Args),
    /// Build, check what this kernel offers, and run the monitor
    Run(run::Args),
    /// Run every test: the core alone, the workspace, the real kernel
    Test(test::Args),
    /// Measure what the monitor costs
    Bench(bench::Args),
    /// Compare our reading of a folder of captures and vectors with that of others
    Conformance(conformance::Args),
    /// Make worlds and attacks, replay them, and say how well detectors tell them apart
    Scenarios(scenarios::Args),
    /// Boot other kernels under qemu, and check what the monitor does there
    Vm(vm::Args),
    /// Let libFuzzer look for inputs that break an invariant
    Fuzz(fuzz::Args),
    /// Make an archive of the binary, the unit, the manual, licences and a bill of materials
    Package(package::Args),
    /// Make the kernel object twice, in two places, and compare the bytes
    Reproduce(reproduce::Args),
    /// Formatting, clippy for host and kernel code, licences
    Lint(lint::Args),
    /// Say what building needs, what was found, and what would be installed
    Toolchain(toolchain::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Build(args) => build::build(&args),
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::test(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Conformance(args) => conformance::conformance(&args),
        Command::Scenarios(args) => scenarios::scenarios(&args),
        Command::Vm(args) => vm::vm(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::Package(args) => package::package(&args),
        Command::Reproduce(args) => reproduce::reproduce(&args),
        Command::Lint(args) => lint::lint(&args),
        Command::Toolchain(args) => toolchain::toolchain(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
