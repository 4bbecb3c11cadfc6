//! The state, drawn.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table};

use super::state::{Pane, Rows, Top};
use crate::cli::table::Mark;

/// Lines above the panes.
const HEAD: u16 = 4;
/// With fewer lines the chosen pane is shown alone.
const ALL_PANES: u16 = 24;

const HELP: [&str; 9] = [
    "q, Esc         quit",
    "Tab, arrows    choose a pane",
    "up, down       move in it",
    "p, space       pause, go on",
    "?, h           this, and away again",
    "",
    "Rates are of the last second, or since the last",
    "look where the daemon has many flows; latencies",
    "and what is lost are since the daemon started.",
];

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, top: &Top) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(HEAD), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    draw_head(frame, head, top);
    if frame.area().height < ALL_PANES {
        draw_pane(frame, body, top, top.pane);
    } else {
        let share = |pane| Constraint::Fill(if pane == top.pane { 2 } else { 1 });
        let panes = [Pane::Incidents, Pane::Endpoints, Pane::Flows];
        let areas: [Rect; 3] = Layout::vertical(panes.map(share)).areas(body);
        for (pane, area) in panes.into_iter().zip(areas) {
            draw_pane(frame, area, top, pane);
        }
    }
    let keys = "q quit  Tab pane  ↑↓ move  p pause  ? help";
    frame.render_widget(Paragraph::new(keys).style(Modifier::DIM), foot);
    if top.help {
        draw_help(frame);
    }
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let mut lines: Vec<Line<'_>> = Vec::new();
    match &top.trouble {
        Some(trouble) => lines.push(Line::styled(
            format!("{trouble}; trying again"),
            style(Mark::Red).add_modifier(Modifier::BOLD),
        )),
        None if top.head.is_empty() => lines.push("asking the daemon".into()),
        None => {}
    }
    let bold_first = |(at, (mark, text)): (usize, &(Mark, String))| {
        let style = if at == 0 {
            style(*mark).add_modifier(Modifier::BOLD)
        } else {
            style(*mark)
        };
        Line::styled(text.clone(), style)
    };
    lines.extend(top.head.iter().enumerate().map(bold_first));
    frame.render_widget(Paragraph::new(lines), area);
    if top.paused {
        let paused = Paragraph::new(" paused ")
            .style(Modifier::REVERSED)
            .alignment(Alignment::Right);
        let width = 8.min(area.width);
        frame.render_widget(
            paused,
            Rect::new(area.right() - width, area.y, width, 1.min(area.height)),
        );
    }
}

fn draw_pane(frame: &mut Frame<'_>, area: Rect, top: &Top, pane: Pane) {
    let above = if pane == top.pane { top.above } else { 0 };
    let is_chosen = pane == top.pane;
    match pane {
        Pane::Incidents => {
            let title = format!("Open incidents: {}", top.incidents.len());
            let columns = ["SEVERITY", "SCORE", "ALERTS", "LAST SEEN", "WHAT"];
            let widths = [8, 5, 6, 9].map(Constraint::Length);
            table(frame, area, (&title, is_chosen), columns, widths, &top.incidents, above);
        }
        Pane::Endpoints => {
            let columns = ["REQ/S", "4XX", "5XX", "P50", "P99", "ENDPOINT"];
            let widths = [7, 6, 6, 8, 8].map(Constraint::Length);
            table(
                frame,
                area,
                ("Busiest endpoints", is_chosen),
                columns,
                widths,
                &top.endpoints,
                above,
            );
        }
        Pane::Flows => {
            let title = format!("Flows: {}", top.flow_count);
            let columns = ["SENT", "RECEIVED", "AGE", "PROCESS", "ENDS", "APP"];
            let widths = [10, 10, 6, 22, 44].map(Constraint::Length);
            table(frame, area, (&title, is_chosen), columns, widths, &top.flows, above);
        }
    }
}

/// The last column has what the others leave.
fn table<const N: usize, const M: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    (title, is_chosen): (&str, bool),
    columns: [&'static str; N],
    widths: [Constraint; M],
    rows: &Rows<N>,
    above: usize,
) {
    let titles = Row::new(columns.map(Cell::from)).style(Modifier::BOLD);
    let shown = rows.iter().skip(above).map(|(mark, cells)| {
        let cells = cells.iter().map(|cell| Cell::from(cell.as_str()));
        Row::new(cells).style(style(*mark))
    });
    let (title, border) = if is_chosen {
        (format!(" ▸ {title} "), Style::new().add_modifier(Modifier::BOLD))
    } else {
        (format!(" {title} "), Style::new().add_modifier(Modifier::DIM))
    };
    let block = Block::bordered().title(title).border_style(border);
    let widths = widths.into_iter().chain([Constraint::Fill(1)]);
    frame.render_widget(Table::new(shown, widths).header(titles).block(block), area);
}

fn draw_help(frame: &mut Frame<'_>) {
    let widest = HELP.iter().map(|line| line.len()).max().unwrap_or(0);
    let area = frame.area();
    let (width, height) = (
        area.width.min(u16::try_from(widest + 4).unwrap_or(u16::MAX)),
        area.height.min(HELP.len() as u16 + 2),
    );
    let area = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    frame.render_widget(Clear, area);
    let text: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(*line)).collect();
    let block = Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(text).block(block), area);
}

fn style(mark: Mark) -> Style {
    match mark {
        Mark::Plain => Style::new(),
        Mark::Dim => Style::new().add_modifier(Modifier::DIM),
        Mark::Yellow => Style::new().fg(Color::Yellow),
        Mark::Red => Style::new().fg(Color::Red),
    }
}
