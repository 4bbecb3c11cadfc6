//! Throughput kept, by load, as a picture.

use std::fmt::Write as _;

use super::{Report, Reports, Spread};

/// Pixels of the part that bars are drawn in, between this ratio and one.
const WIDTH: usize = 480;
const FROM: f64 = 0.6;
const ROW: usize = 44;
const LEFT: usize = 90;

/// An SVG: of each load that the machine sets the rate of a bar of the median for the monitor and for the control, with a line
/// from quartile to quartile.
pub fn plot(reports: &Reports) -> String {
    let rows: Vec<&Report> = reports.loads.iter().filter(|report| !report.load.is_paced()).collect();
    let (width, height) = (LEFT + WIDTH + 70, ROW * rows.len() + 50);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"16\">throughput kept: with the monitor (dark), with a process that sleeps (light)</text>\n"
    );
    for tenth in 6..=10 {
        let ratio = f64::from(tenth) / 10.0;
        let x = place(ratio);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"26\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#ccc\"/><text x=\"{x:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{ratio:.1}</text>",
            height - 20,
            height - 6
        );
    }
    for (row, report) in rows.into_iter().enumerate() {
        let y = 30 + row * ROW;
        let _ = writeln!(out, "<text x=\"8\" y=\"{}\">{}</text>", y + 20, report.load.name());
        bar(&mut out, y, report.kept(), "#246");
        bar(&mut out, y + 17, report.control(), "#bcd");
    }
    out + "</svg>\n"
}

fn place(ratio: f64) -> f64 {
    LEFT as f64 + (ratio.clamp(FROM, 1.05) - FROM) / (1.0 - FROM) * WIDTH as f64
}

fn bar(out: &mut String, y: usize, spread: Spread, color: &str) {
    let (left, end) = (place(FROM), place(spread.median));
    let middle = y + 7;
    let _ = writeln!(
        out,
        "<rect x=\"{left:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"14\" fill=\"{color}\"/>\
         <line x1=\"{:.1}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\" stroke=\"#d60\" stroke-width=\"2\"/>\
         <text x=\"{:.1}\" y=\"{}\">{:.3}</text>",
        end - left,
        place(spread.first_quartile),
        place(spread.third_quartile),
        place(1.05) + 6.0,
        y + 12,
        spread.median
    );
}

#[cfg(test)]
mod tests {
    use super::super::{Load, Run};
    use super::*;

    #[test]
    fn paced_loads_have_no_bar() {
        let report = |load| Report {
            load,
            without: vec![Run {
                rate: 10.0,
                ..Run::default()
            }],
            with: vec![Run {
                rate: 9.0,
                ..Run::default()
            }],
            control: vec![Run {
                rate: 10.0,
                ..Run::default()
            }],
            ..Report::default()
        };
        let reports = Reports {
            loads: Load::ALL.map(report).into(),
            ..Reports::default()
        };
        let drawn = plot(&reports);
        assert_eq!(drawn.matches(">0.900</text>").count(), 5, "{drawn}");
        assert!(drawn.contains("churn") && !drawn.contains("half"), "{drawn}");
    }
}
