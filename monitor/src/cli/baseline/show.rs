//! `monitor baseline show`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use clap::Args;
use hyper::Method;

use super::{print_json, read};
use crate::cli::failure::Failure;
use crate::cli::table::{Column, Mark, Table, on_terminal};
use crate::control::client::ask;
use crate::control::shape::{BaselineOf, Fact, Known};
use crate::sinks::json::Text;
use crate::sinks::terminal::{Style, date_and_clock, printable, units};

/// Names that are shown of a list.
const MOST_NAMES: usize = 16;
/// Longest text of a name.
const MAX_NAME: usize = 200;

/// Show how much each detector has learned, since when; or what each knows of somebody or something
#[derive(Debug, Args)]
#[command(
    after_help = "What is usual at an hour of the week (UTC) is drawn as a row a day, the more the darker, or 1 to 9 where the \
output is no terminal; a dot is an hour that was not seen. Detectors that have no baseline of their own for it say nothing."
)]
pub(super) struct Show {
    /// An endpoint (`POST /orders`), the id of an identity (alice, key:3fa9c1d2), an address, a destination's name, the path
    /// of an executable, or `host` for all
    #[arg(value_name = "SUBJECT")]
    subject: Option<String>,
}

impl Show {
    pub(super) async fn run(self, socket: &Path, json: bool) -> Result<(), Failure> {
        match self.subject {
            None => summaries(socket, json).await,
            Some(subject) => known(socket, &subject, json).await,
        }
    }
}

async fn known(socket: &Path, subject: &str, json: bool) -> Result<(), Failure> {
    let path = format!("/v1/baseline/known?subject={}", escaped(subject));
    let mut answer = ask(socket, Method::GET, &path, Vec::new()).await?;
    if json {
        return print_json(answer).await;
    }
    let (style, shades) = (Style::from_environment(), on_terminal());
    let mut text = String::new();
    while let Some(line) = answer.line().await? {
        text += &shown(&read(&line)?, style, shades);
    }
    if text.is_empty() {
        let subject = printable(subject, MAX_NAME);
        text = format!(
            "nothing is learned of {subject}: `monitor endpoints`, `identities` and `destinations` list the names that there are\n"
        );
    }
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// What one detector knows.
fn shown(known: &Known<'_>, style: Style, shades: bool) -> String {
    let mut text = style.bold(&known.detector);
    if let Some(with) = &known.with {
        let _ = write!(text, "  {}", printable(with, MAX_NAME));
    }
    let state = if known.learning { "learning" } else { "ready" };
    let _ = write!(text, "  {state}");
    if let Some(first) = known.first {
        let _ = write!(text, ", first seen {}", date_and_clock(first));
    }
    if let Some(last) = known.last {
        let _ = write!(text, ", last {}", date_and_clock(last));
    }
    text.push('\n');
    for (name, fact) in &known.facts {
        let label = name.replace('_', " ");
        match fact {
            Fact::Number(number) => {
                let _ = writeln!(text, "  {label}: {}", amount(name, *number));
            }
            Fact::Quantiles { p50, p90, p99, of } => {
                let [p50, p90, p99] = [p50, p90, p99].map(|value| amount(name, *value as f64));
                let of = units::count(*of, "value");
                let label = label.trim_end_matches(" us").trim_end_matches(" bytes");
                let _ = writeln!(
                    text,
                    "  {label}: half within {p50}, 90 % within {p90}, 99 % within {p99} ({of})"
                );
            }
            Fact::Week { by_hour_of_week } => {
                let _ = writeln!(text, "  {label}, by hour of week (UTC):");
                text += &heat(
                    by_hour_of_week,
                    &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
                    shades,
                );
            }
            Fact::Day { by_hour_of_day } => {
                let _ = writeln!(text, "  {label} (UTC):");
                text += &heat(by_hour_of_day, &["day"], shades);
            }
            Fact::Names { names, more } => {
                let left = names.len().saturating_sub(MOST_NAMES) as u64 + more;
                let listed = names.iter().take(MOST_NAMES).map(|name| printable(name, MAX_NAME));
                let listed: Vec<Text<'_>> = listed.collect();
                let more = if left > 0 {
                    format!(" and {left} more")
                } else {
                    String::new()
                };
                let _ = writeln!(text, "  {label}: {}{more}", listed.join(", "));
            }
        }
    }
    text
}

/// A row of 24 hours each, the more the darker.
fn heat(hours: &[Option<f64>], rows: &[&str], shades: bool) -> String {
    const SHADES: [char; 5] = [' ', '\u{2591}', '\u{2592}', '\u{2593}', '\u{2588}'];
    const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
    let scale: &[char] = if shades { &SHADES } else { &DIGITS };
    let most = hours.iter().flatten().copied().fold(0.0, f64::max);
    let mut text = String::from("       0     6     12    18\n");
    for (row, name) in rows.iter().enumerate() {
        let _ = write!(text, "  {name}  ");
        for hour in 0..24 {
            text.push(match hours.get(row * 24 + hour).copied().flatten() {
                None => '.',
                Some(mean) => step(mean, most, scale),
            });
        }
        text.push('\n');
    }
    let darkest = scale.last().copied().unwrap_or_default();
    let _ = writeln!(text, "       {darkest} is {}", number(most));
    text
}

/// Above nothing at all is the second step at least.
fn step(mean: f64, most: f64, scale: &[char]) -> char {
    let last = scale.len() - 1;
    let at = if mean > 0.0 && most > 0.0 {
        let part = crate::baseline::whole((mean / most * last as f64).ceil());
        usize::try_from(part).unwrap_or(last).clamp(1, last)
    } else {
        0
    };
    scale[at]
}

/// In the unit that the name says.
fn amount(name: &str, value: f64) -> String {
    let count = crate::baseline::whole(value);
    if name.ends_with("_us") {
        units::micros(count)
    } else if name.contains("bytes") {
        units::bytes(count)
    } else if name.contains("share") {
        format!("{:.2} %", value * 100.0)
    } else {
        number(value)
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() < 0.05 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// As the value of a parameter (RFC 3986 section 2.1).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

async fn summaries(socket: &Path, json: bool) -> Result<(), Failure> {
    let mut answer = ask(socket, Method::GET, "/v1/baseline", Vec::new()).await?;
    if json {
        return print_json(answer).await;
    }
    let mut table = Table::new([
        Column::word("DETECTOR"),
        Column::number("SUBJECTS"),
        Column::number("ROWS"),
        Column::word("FIRST SEEN"),
        Column::word("LAST SEEN"),
    ]);
    while let Some(line) = answer.line().await? {
        let of: BaselineOf<'_> = read(&line)?;
        let cells = [
            of.detector.to_string(),
            of.subjects.to_string(),
            of.rows.to_string(),
            date_and_clock(of.first),
            date_and_clock(of.last),
        ];
        table.push(Mark::Plain, cells);
    }
    if table.len() == 0 {
        return Ok(writeln!(io::stdout().lock(), "nothing is learned yet")?);
    }
    Ok(table.print()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_drawn_a_row_a_day() {
        let mut week = vec![None; 168];
        (week[0], week[1], week[25], week[167]) = (Some(0.0), Some(1.0), Some(40.0), Some(400.0));
        let known = Known {
            detector: "request_rate".into(),
            with: None,
            first: None,
            last: None,
            learning: true,
            facts: [
                ("requests_an_hour".into(), Fact::Week { by_hour_of_week: week }),
                (
                    "latency_us".into(),
                    Fact::Quantiles {
                        p50: 1_500,
                        p90: 2_000_000,
                        p99: 3_000_000,
                        of: 9,
                    },
                ),
                ("usual_share_of_5xx".into(), Fact::Number(0.0123)),
                (
                    "destinations".into(),
                    Fact::Names {
                        names: vec!["a\u{1b}[31m".into()],
                        more: 2,
                    },
                ),
            ]
            .into(),
        };
        let style = Style::PLAIN;
        let text = shown(&known, style, false);
        assert!(text.starts_with("request_rate  learning\n"), "{text}");
        assert!(
            text.contains("  Mon  01......................\n  Tue  .1......................\n"),
            "{text}"
        );
        assert!(
            text.contains("  Sun  .......................9\n       9 is 400\n"),
            "{text}"
        );
        assert!(
            text.contains("latency: half within 1.5 ms, 90 % within 2.0 s"),
            "{text}"
        );
        assert!(text.contains("usual share of 5xx: 1.23 %"), "{text}");
        assert!(text.contains(" and 2 more") && !text.contains('\u{1b}'), "{text}");
        assert!(shown(&known, style, true).contains("  Sun  .......................\u{2588}\n"));
    }

    #[test]
    fn a_subject_is_escaped() {
        assert_eq!(escaped("GET /a?&é"), "GET%20%2Fa%3F%26%C3%A9");
    }
}
