//! The hooks, one family a file.

mod release;
mod skb;
mod sock_addr;
mod sock_recv;
mod tcp_iter;
mod tcp_state;
