//! What is added to what was seen: who, from where, under which name; and what is taken out, since it is secret.

pub mod privacy;
