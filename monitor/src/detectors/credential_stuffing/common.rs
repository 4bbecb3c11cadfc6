//! What those who were let in, or were not, have in common: the programs that asked.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::enrich::fingerprint::Fingerprint;
use crate::record::HttpRecord;

/// Longest agent that is kept, bytes.
const LONGEST: usize = 96;

/// The commonest programs among requests, by fingerprint and agent: the counts are low by at most what was not kept
/// (Misra and Gries, Finding repeated elements, Science of Computer Programming 2, 1982). At most `N` of about 150 bytes.
#[derive(Debug, Default)]
pub(super) struct Programs<const N: usize> {
    kept: Vec<(Program, u32)>,
    all: u32,
}

/// A program, by how it writes and by what it says that it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Program {
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) agent: Arc<str>,
}

impl Program {
    /// The one that asked.
    pub(super) fn of(record: &HttpRecord) -> Self {
        let agent = record
            .request
            .as_ref()
            .and_then(|request| request.user_agent.as_deref())
            .unwrap_or("none");
        Self {
            fingerprint: record.fingerprint,
            agent: agent[..agent.floor_char_boundary(LONGEST)].into(),
        }
    }
}

impl<const N: usize> Programs<N> {
    pub(super) fn add(&mut self, program: &Program) {
        self.all = self.all.saturating_add(1);
        if let Some((_, count)) = self.kept.iter_mut().find(|(kept, _)| kept == program) {
            *count = count.saturating_add(1);
        } else if self.kept.len() < N {
            self.kept.push((program.clone(), 1));
        } else {
            self.kept.retain_mut(|(_, count)| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// Share of `program` among all, 0 to 1.
    fn share(&self, program: &Program) -> f64 {
        let count = self
            .kept
            .iter()
            .find(|(kept, _)| kept == program)
            .map_or(0, |(_, count)| *count);
        f64::from(count) / f64::from(self.all.max(1))
    }

    /// The two commonest here, each beside its share among `good`.
    pub(super) fn against<const M: usize>(&self, good: &Programs<M>) -> String {
        let mut kept: Vec<&(Program, u32)> = self.kept.iter().collect();
        kept.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.agent.cmp(&b.agent)));
        let mut text = String::new();
        for (program, count) in kept.into_iter().take(2) {
            let share = 100.0 * f64::from(*count) / f64::from(self.all.max(1));
            let _ = write!(
                text,
                "{}agent {}",
                if text.is_empty() { "" } else { ", " },
                program.agent
            );
            if let Some(fingerprint) = program.fingerprint {
                let _ = write!(text, " with fingerprint {fingerprint}");
            }
            let _ = write!(text, " in {share:.0} % of them");
            if good.all > 0 {
                let _ = write!(
                    text,
                    " and {:.0} % of the logins that succeeded",
                    100.0 * good.share(program)
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(agent: &str) -> Program {
        Program {
            fingerprint: None,
            agent: agent.into(),
        }
    }

    #[test]
    fn the_commonest_are_kept_and_compared() {
        let (mut bad, mut good) = (Programs::<4>::default(), Programs::<4>::default());
        for n in 0..1_000 {
            bad.add(&program(if n % 4 == 0 { "browser" } else { "python" }));
            if n % 10 == 0 {
                bad.add(&program(&format!("noise{n}")));
            }
            good.add(&program("browser"));
        }
        let text = bad.against(&good);
        assert!(text.starts_with("agent python in "), "{text}");
        assert!(
            text.contains("python in 6") && text.contains("and 0 % of the logins"),
            "{text}"
        );
        assert!(
            text.contains("agent browser") && text.contains("and 100 % of the logins"),
            "{text}"
        );
        assert!(bad.kept.len() <= 4);
    }
}
