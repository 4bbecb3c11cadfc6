//! The binary `monitor`; what it does is in the library's [`monitor::cli`].

use std::process::ExitCode;

/// Records are made on one thread and let go of on others, by the hundred thousand a second: with the system's allocator
/// that was two fifths of the engine's time (`perf record` of a keep-alive load).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    monitor::cli::main(std::env::args_os())
}
