//! The control socket: HTTP/1.1 over a Unix socket, for `monitor status` and its like, and for `curl --unix-socket`.
//!
//! `docs/control-socket.md` documents the routes. Whoever may connect may read; root, whom the daemon runs as, may also
//! change things. Everything a client can make grow is bounded: connections, headers, bodies, time, and what a slow
//! follower may leave unread.

mod allow;
mod baseline;
pub mod client;
mod expect;
mod lines;
mod listener;
mod mailbox;
mod peer;
mod query;
mod refusal;
mod reload;
mod routes;
pub mod rows;
mod server;
pub mod shape;

pub use listener::{DEFAULT_SOCKET, Listener};
pub use mailbox::{Adopted, Ask, Listed, Mailbox, Recent, StatusAnswer, Told};
pub use peer::{Peer, Right};
pub use refusal::Refusal;
pub use reload::Reload;
pub use routes::Counter;
pub use server::serve;
