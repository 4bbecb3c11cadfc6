//! Tables for people: aligned columns that fit the terminal.

#[cfg(feature = "live")]
use std::io::IsTerminal;
use std::io::{self, Write};

use crate::sinks::terminal::{Style, printable};

/// Characters of a cell where the output has no width to respect.
const WIDEST_CELL: usize = 400;
/// Columns are never cut below this many characters.
const NARROWEST: usize = 8;
/// Spaces between columns.
const GAP: usize = 2;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    /// Numbers: aligned to the right.
    right: bool,
    /// Cut where the table is too wide.
    cut: bool,
}

impl Column {
    /// Words that are shown whole.
    pub(super) const fn word(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            cut: false,
        }
    }

    /// A number.
    #[cfg(any(feature = "live", test))]
    pub(super) const fn number(title: &'static str) -> Self {
        Self {
            title,
            right: true,
            cut: false,
        }
    }

    /// Text of any length.
    pub(super) const fn text(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            cut: true,
        }
    }
}

/// How a row stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Plain,
    Dim,
    Yellow,
    Red,
}

/// Rows under titles.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<([String; N], Mark)>,
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row; captured text in it is made safe.
    pub(super) fn push(&mut self, mark: Mark, cells: [String; N]) {
        self.rows
            .push((cells.map(|cell| printable(&cell, WIDEST_CELL).into_owned()), mark));
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Prints it, as wide as the terminal.
    pub(super) fn print(&self) -> io::Result<()> {
        let text = self.render(terminal_width(), Style::from_environment());
        io::stdout().lock().write_all(text.as_bytes())
    }

    pub(super) fn render(&self, width: Option<usize>, style: Style) -> String {
        let widths = self.widths(width);
        let titles = self.columns.map(|column| column.title.to_owned());
        let mut text = style.bold(self.line(&titles, &widths)) + "\n";
        for (cells, mark) in &self.rows {
            let line = self.line(cells, &widths);
            text += &match mark {
                Mark::Plain => line,
                Mark::Dim => style.dim(line),
                Mark::Yellow => style.yellow(line),
                Mark::Red => style.red(line),
            };
            text.push('\n');
        }
        text
    }

    fn widths(&self, width: Option<usize>) -> [usize; N] {
        let mut widths = self.columns.map(|column| column.title.len());
        for (cells, _) in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(cells) {
                *widest = (*widest).max(cell.chars().count());
            }
        }
        let Some(width) = width else {
            return widths;
        };
        // Takes from the widest column that may be cut, one character at a time: the narrow ones stay whole.
        while widths.iter().sum::<usize>() + GAP * (N - 1) > width {
            let widest = (0..N)
                .filter(|i| self.columns[*i].cut && widths[*i] > NARROWEST)
                .max_by_key(|i| widths[*i]);
            match widest {
                Some(i) => widths[i] -= 1,
                None => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[String; N], widths: &[usize; N]) -> String {
        let mut line = String::new();
        for ((cell, width), column) in cells.iter().zip(widths).zip(self.columns) {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let length = cell.chars().count();
            let padding = " ".repeat(width.saturating_sub(length));
            if length > *width {
                line.extend(cell.chars().take(width - 1));
                line.push('…');
            } else if column.right {
                line = line + &padding + cell;
            } else {
                line = line + cell + &padding;
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Whether people watch.
#[cfg(feature = "live")]
pub(super) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new([Column::word("STATE"), Column::text("PATH"), Column::number("SIZE")]);
        table.push(Mark::Plain, ["ok".into(), "/short".into(), "12".into()]);
        table.push(Mark::Red, ["lost".into(), "/a/much/longer/path".into(), "3".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            table().render(None, Style::PLAIN),
            "STATE  PATH                 SIZE\n\
             ok     /short                 12\n\
             lost   /a/much/longer/path     3\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_text_and_nothing_else() {
        let narrow = table().render(Some(24), Style::PLAIN);
        assert_eq!(
            narrow,
            "STATE  PATH         SIZE\n\
             ok     /short         12\n\
             lost   /a/much/lo…     3\n"
        );
        assert!(table().render(Some(3), Style::PLAIN).contains("/a/much…"));
    }

    #[test]
    fn colour_goes_around_the_padding() {
        let text = table().render(None, Style::COLOUR);
        assert!(
            text.contains("\u{1b}[1;31mlost   /a/much/longer/path     3\u{1b}[0m\n"),
            "{text:?}"
        );
    }

    #[test]
    fn captured_text_cannot_break_the_table() {
        let mut table = Table::new([Column::text("PATH")]);
        table.push(Mark::Plain, ["a\nb\u{1b}[2J".into()]);
        assert_eq!(table.render(None, Style::PLAIN), "PATH\na\\nb\\u{1b}[2J\n");
    }
}
