//! Those who follow records as they are made. Each reads at its own pace from one ring a type; who falls behind by more
//! than the ring loses records and is told how many.

use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::record::Record;
use crate::sinks::json::RecordType;

/// Records that a follower may be behind: about a second of a busy host.
const BEHIND: usize = 4_096;

/// One ring a record type, so that many requests never push an alert out.
#[derive(Debug)]
pub(super) struct Followers {
    rings: [Sender<Record>; RecordType::ALL.len()],
}

impl Followers {
    pub(super) fn new() -> Self {
        Self {
            rings: RecordType::ALL.map(|_| channel(BEHIND).0),
        }
    }

    /// From now on.
    pub(super) fn join(&self, kind: RecordType) -> Receiver<Record> {
        self.rings[kind as usize].subscribe()
    }

    /// Tells those who follow its type; costs next to nothing when nobody does.
    pub(super) fn tell(&self, record: &Record) {
        let ring = &self.rings[RecordType::of(&record.body) as usize];
        if ring.receiver_count() > 0 {
            // The last follower may have left since.
            let _ = ring.send(record.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::record::Body;
    use crate::sinks::json::examples::{self, START};

    #[test]
    fn a_slow_follower_loses_and_is_told_and_others_do_not_suffer() {
        let followers = Followers::new();
        let mut slow = followers.join(RecordType::Http);
        let mut alerts = followers.join(RecordType::Alert);
        let http = Record {
            time: START,
            body: Body::Http(examples::http().into()),
        };
        let alert = Record {
            time: START,
            body: Body::Alert(examples::alert().into()),
        };
        followers.tell(&alert);
        for _ in 0..BEHIND + 10 {
            followers.tell(&http);
        }
        assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(10)));
        assert_eq!(slow.try_recv(), Ok(http));
        assert_eq!(alerts.try_recv(), Ok(alert));
        assert_eq!(alerts.try_recv(), Err(TryRecvError::Empty));
    }
}
