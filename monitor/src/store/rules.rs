//! Allow rules that were added at run time.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Store;
use crate::allow::AllowRule;

impl Store {
    /// The rules, in order of id. One that this version cannot read is passed over and told of in `notices`: it may
    /// name a detector that is no more.
    pub fn rules(&self, notices: &mut Vec<Arc<str>>) -> Result<Vec<AllowRule>> {
        let mut rows = self.database.prepare("SELECT id, rule FROM allow ORDER BY id")?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut rules = Vec::new();
        for row in rows {
            let (id, text) = row.context("cannot read the allow rules")?;
            match serde_json::from_str(&text) {
                Ok(rule) => rules.push(rule),
                Err(error) => notices.push(format!("the rule {id} is not used: {error}").into()),
            }
        }
        Ok(rules)
    }

    /// Keeps a rule; one of the same id is replaced. On disk when this returns.
    pub fn save_rule(&mut self, rule: &AllowRule) -> Result<()> {
        let text = serde_json::to_string(rule)?;
        self.database
            .execute(
                "INSERT OR REPLACE INTO allow (id, rule) VALUES (?1, ?2)",
                [&rule.id(), &text],
            )
            .context("cannot save the rule: is the disk full?")?;
        Ok(())
    }

    /// Drops a rule.
    pub fn remove_rule(&mut self, id: &str) -> Result<()> {
        self.database
            .execute("DELETE FROM allow WHERE id = ?1", [id])
            .context("cannot remove the rule")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_kept_until_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap().store;
        let rule = |comment: &str| AllowRule {
            detector: Some("unknown_destination".parse().unwrap()),
            destination: Some("*.example.com".parse().unwrap()),
            process: Some("/usr/bin/*".parse().unwrap()),
            until: Some("2027-01-01".parse().unwrap()),
            comment: comment.to_owned(),
            ..AllowRule::default()
        };
        store.save_rule(&rule("one")).unwrap();
        store.save_rule(&rule("two")).unwrap();
        drop(store);
        let mut store = Store::open(directory.path()).unwrap().store;
        let mut notices = Vec::new();
        assert_eq!(store.rules(&mut notices).unwrap(), [rule("two")]);
        store.remove_rule(&rule("").id()).unwrap();
        assert_eq!(store.rules(&mut notices).unwrap(), []);
        assert!(notices.is_empty(), "{notices:?}");
    }

    #[test]
    fn a_rule_of_another_version_is_told_of_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap().store;
        let insert = "INSERT INTO allow VALUES ('allow-1', '{\"detector\":\"of_the_future\"}')";
        store.database.execute(insert, []).unwrap();
        let mut notices = Vec::new();
        assert_eq!(store.rules(&mut notices).unwrap(), []);
        assert!(
            notices[0].contains("allow-1") && notices[0].contains("of_the_future"),
            "{notices:?}"
        );
    }
}
