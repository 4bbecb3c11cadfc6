//! A few small scenarios of a fixed seed on every run: what is written is what a reader finds, benign worlds stay silent,
//! and every detector that is there finds its attacks. `cargo xtask scenarios` runs all of them, large.

mod counts;
mod detection;
mod recorded;
mod restart;
