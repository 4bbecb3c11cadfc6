//! Programs that the kernel described, and processes as records show them.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::container::container_id;
use crate::event::{Owner, Program, ProgramId};
use crate::record::ProcessRef;

/// Programs kept; the kernel describes as many before it describes one anew (its map `PROGRAMS`).
const MAX_PROGRAMS: usize = 16_384;

/// The programs known, the oldest given up for a newer one.
#[derive(Debug, Default)]
pub struct Programs {
    known: FxHashMap<ProgramId, Known>,
    order: VecDeque<ProgramId>,
    evicted: u64,
}

#[derive(Debug)]
struct Known {
    program: Arc<Program>,
    container: Option<Arc<str>>,
}

impl Programs {
    /// Learns one.
    pub fn learn(&mut self, program: Arc<Program>) {
        let id = program.id;
        let container = container_id(&program.cgroup).map(Arc::from);
        if self.known.insert(id, Known { program, container }).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > MAX_PROGRAMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.evicted += 1;
        }
    }

    /// The process behind `owner`, with what is known of it.
    pub fn process(&self, owner: Owner) -> ProcessRef {
        let known = self.known.get(&owner.program);
        ProcessRef {
            owner,
            program: known.map(|k| Arc::clone(&k.program)),
            container: known.and_then(|k| k.container.clone()),
        }
    }

    /// Programs given up.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(pid: u32) -> Arc<Program> {
        let id = ProgramId {
            pid,
            exec_id: 1,
            start_ns: u64::from(pid),
        };
        Arc::new(Program {
            id,
            exe: format!("/bin/{pid}"),
            cgroup: "/".to_owned(),
            ..Program::default()
        })
    }

    #[test]
    fn the_oldest_is_given_up() {
        let mut programs = Programs::default();
        let last = MAX_PROGRAMS as u32 + 1;
        (1..=last).for_each(|pid| programs.learn(program(pid)));
        let exe = |pid: u32| {
            let owner = Owner {
                program: program(pid).id,
                ..Owner::default()
            };
            programs.process(owner).program.map(|p| p.exe.clone())
        };
        assert_eq!(exe(1), None);
        assert_eq!(exe(last), Some(format!("/bin/{last}")));
        assert_eq!(programs.evicted(), 1);
    }
}
