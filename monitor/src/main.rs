//! The binary `monitor`; what it does is in the library's [`monitor::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: monitor::allocator::Allocator = monitor::allocator::Allocator;

fn main() -> ExitCode {
    monitor::cli::main(std::env::args_os())
}
