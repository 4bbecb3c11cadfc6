//! Kernel records from bytes.
