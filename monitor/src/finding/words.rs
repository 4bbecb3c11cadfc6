//! Words for what findings speak of: amounts, programs.

use crate::alert::{Actor, ActorKind};
use crate::baseline::program::executable;
use crate::record::ProcessRef;

/// An amount in decimal units, as network people count.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    match count {
        1 => "1 byte".to_owned(),
        0..1_000 => format!("{count} bytes"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// What makes a plural of a word.
pub const fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The program's path, `[name]` for a kernel thread; none where it is not known.
pub fn path_of(process: Option<&ProcessRef>) -> Option<String> {
    let program = process?.program.as_deref()?;
    Some(match executable(&program.exe) {
        "" => format!("[{}]", program.name),
        path => path.to_owned(),
    })
}

/// It as whoever did something.
pub fn actor_of(process: Option<&ProcessRef>) -> Option<Actor> {
    path_of(process).map(|path| Actor {
        kind: ActorKind::Process,
        id: path.into(),
    })
}

/// Its name alone.
pub fn short_name(process: Option<&ProcessRef>) -> String {
    match path_of(process) {
        Some(path) => path.rsplit('/').next().unwrap_or(&path).to_owned(),
        None => "an unknown process".to_owned(),
    }
}

/// The process, for a person who looks for it.
pub fn who(process: Option<&ProcessRef>) -> String {
    let Some(process) = process else {
        return "a process that is not known".to_owned();
    };
    let name = match process.program.as_deref() {
        Some(program) if !program.name.is_empty() => program.name.clone(),
        Some(_) | None => short_name(Some(process)),
    };
    let mut text = format!("{name} (pid {}, uid {})", process.owner.program.pid, process.owner.uid);
    if let Some(container) = &process.container {
        // Twelve digits of a container's id are what its tools show.
        let container: String = container.chars().take(12).collect();
        text.push_str(" in container ");
        text.push_str(&container);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (count, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (41_200_000, "41 MB"),
            (999_600, "1.0 MB"),
            (100_000_000_000_000, "100 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
