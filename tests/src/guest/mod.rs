//! Other kernels: a small system of busybox and the monitor, booted under qemu without hardware help, in which the
//! monitor watches a server and its clients and prints what it told.
//!
//! The guest has no disk, no network and no other programs. Its console is the only way out: [`script`] prints there, and
//! [`acceptance`] checks what was printed.

pub mod acceptance;
pub mod archive;
pub mod console;
pub mod machine;
pub mod script;
