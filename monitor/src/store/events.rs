//! Expected events that were added at run time.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Store;
use crate::expected::ExpectedEvent;

impl Store {
    /// The events, in order of id. One that this version cannot read is passed over and told of in `notices`.
    pub fn events(&self, notices: &mut Vec<Arc<str>>) -> Result<Vec<ExpectedEvent>> {
        let mut rows = self.database.prepare("SELECT id, event FROM expected ORDER BY id")?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut events = Vec::new();
        for row in rows {
            let (id, text) = row.context("cannot read the expected events")?;
            match serde_json::from_str(&text) {
                Ok(event) => events.push(event),
                Err(error) => notices.push(format!("the expected event {id} is not used: {error}").into()),
            }
        }
        Ok(events)
    }

    /// Keeps an event; one of the same id is replaced. On disk when this returns.
    pub fn save_event(&mut self, event: &ExpectedEvent) -> Result<()> {
        let text = serde_json::to_string(event)?;
        self.database
            .execute(
                "INSERT OR REPLACE INTO expected (id, event) VALUES (?1, ?2)",
                [&event.id(), &text],
            )
            .context("cannot save the expected event: is the disk full?")?;
        Ok(())
    }

    /// Drops an event.
    pub fn remove_event(&mut self, id: &str) -> Result<()> {
        self.database
            .execute("DELETE FROM expected WHERE id = ?1", [id])
            .context("cannot remove the expected event")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_until_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap().store;
        let event = |comment: &str| ExpectedEvent {
            from: "2026-11-27".parse().unwrap(),
            until: "2026-11-28T12:00:00Z".parse().unwrap(),
            endpoint: Some("POST /orders".parse().unwrap()),
            path: None,
            comment: comment.to_owned(),
        };
        store.save_event(&event("one")).unwrap();
        store.save_event(&event("two")).unwrap();
        drop(store);
        let mut store = Store::open(directory.path()).unwrap().store;
        let mut notices = Vec::new();
        assert_eq!(store.events(&mut notices).unwrap(), [event("two")]);
        store.remove_event(&event("").id()).unwrap();
        assert_eq!(store.events(&mut notices).unwrap(), []);
        assert!(notices.is_empty(), "{notices:?}");
    }
}
