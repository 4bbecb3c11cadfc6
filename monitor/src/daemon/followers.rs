//! Those who follow records as they are made. Each reads at its own pace from one ring a type; who falls behind by more
//! than the ring loses records and is told how many.

use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::record::Record;
use crate::sinks::json::RecordType;

/// Records that a follower may be behind: about a second of a busy host.
const BEHIND: usize = 4_096;

/// One ring a record type, so that many requests never push an alert out. A ring is there while somebody follows: each
/// is a quarter of a megabyte.
#[derive(Debug, Default)]
pub(super) struct Followers {
    rings: [Option<Sender<Record>>; RecordType::ALL.len()],
}

impl Followers {
    /// From now on.
    pub(super) fn join(&mut self, kind: RecordType) -> Receiver<Record> {
        self.rings[kind as usize]
            .get_or_insert_with(|| channel(BEHIND).0)
            .subscribe()
    }

    /// Tells those who follow its type; costs next to nothing when nobody does.
    pub(super) fn tell(&mut self, record: &Record) {
        let ring = &mut self.rings[RecordType::of(&record.body) as usize];
        if let Some(sender) = ring
            && sender.send(record.clone()).is_err()
        {
            // The last follower has left.
            *ring = None;
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
        let mut followers = Followers::default();
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
        assert_eq!(alerts.try_recv().as_ref(), Ok(&alert));
        assert_eq!(alerts.try_recv(), Err(TryRecvError::Empty));
        drop(alerts);
        followers.tell(&alert);
        assert_eq!(
            followers.rings.iter().flatten().count(),
            1,
            "a ring that nobody reads is let go"
        );
    }
}
