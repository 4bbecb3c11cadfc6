//! Where records go, and what they look like there. Wire formats live here and nowhere else.

pub mod json;
