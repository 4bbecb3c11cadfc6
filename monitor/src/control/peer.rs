//! Who is at the other end of a connection, and what they may do.

use tokio::net::UnixStream;

use super::Refusal;

/// What a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Ask.
    Read,
    /// Ask, and teach.
    Change,
}

/// The process that connected, as the kernel noted it then (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective user.
    pub uid: u32,
    /// What it may do.
    pub right: Right,
}

impl Peer {
    /// The peer of `stream`; refused where it may do nothing.
    ///
    /// Members of the socket's group may read. Membership itself has been checked by the kernel: without it, `connect`
    /// is refused by the socket's mode, also for supplementary groups, which `SO_PEERCRED` does not tell.
    pub fn of(stream: &UnixStream, own_uid: u32, group: Option<u32>) -> Result<Self, Refusal> {
        let Ok(credentials) = stream.peer_cred() else {
            return Err(Refusal::forbidden("connect from this host and user namespace"));
        };
        Self::judge(credentials.uid(), own_uid, group)
    }

    fn judge(uid: u32, own_uid: u32, group: Option<u32>) -> Result<Self, Refusal> {
        let right = if uid == 0 || uid == own_uid {
            Right::Change
        } else if group.is_some() {
            Right::Read
        } else {
            return Err(Refusal::forbidden(
                "use sudo, or set [control] group and be a member of that group",
            ));
        };
        Ok(Self { uid, right })
    }

    /// Whether it may change things.
    pub fn may_change(&self) -> Result<(), Refusal> {
        match self.right {
            Right::Change => Ok(()),
            Right::Read => Err(Refusal::forbidden(
                "only root and the daemon's own user may change things: use sudo",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_daemons_user_change_the_group_reads_others_nothing() {
        assert_eq!(Peer::judge(0, 107, None).map(|p| p.right), Ok(Right::Change));
        assert_eq!(Peer::judge(107, 107, None).map(|p| p.right), Ok(Right::Change));
        assert_eq!(Peer::judge(1000, 107, Some(4)).map(|p| p.right), Ok(Right::Read));
        assert!(Peer::judge(1000, 107, None).is_err());
        assert!(Peer::judge(1000, 107, Some(4)).unwrap().may_change().is_err());
        assert_eq!(Peer::judge(0, 107, Some(4)).unwrap().may_change(), Ok(()));
    }
}
