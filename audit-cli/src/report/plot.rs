//! Plots as SVG, drawn for paper: thin lines, labels beside what they name, no script.
//!
//! What always holds: every text that comes from outside is escaped; a plot of nothing is no plot.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 64.0;
const TEXT: &str = "#333";
const GRID: &str = "#ddd";

/// Colours that also differ in lightness, for grey printers.
const COLOURS: [&str; 8] = [
    "#1f4e8c", "#e08e2b", "#4aa387", "#8e4a9e", "#c9485b", "#8fb3dd", "#6b6b6b", "#c8b560",
];

/// A series' colour.
pub(crate) const fn colour(series: usize) -> &'static str {
    COLOURS[series % COLOURS.len()]
}

/// Text as it may stand in HTML and SVG.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A number with thin spaces between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// One column: its label, and how much of each series stands in it.
pub(crate) struct Column {
    pub(crate) label: String,
    pub(crate) parts: Vec<u64>,
}

impl Column {
    pub(crate) fn sum(&self) -> u64 {
        self.parts.iter().sum()
    }
}

/// Columns side by side, the series of each stacked. `names` are the series.
pub(crate) fn columns(names: &[String], columns: &[Column]) -> String {
    let (height, top, bottom) = (220.0, 12.0, 44.0);
    let Some(highest) = columns
        .iter()
        .map(Column::sum)
        .max()
        .filter(|most| *most > 0)
    else {
        return String::new();
    };
    let (ceiling, ticks) = scale(highest);
    let plot = height - top - bottom;
    let step = (WIDTH - LEFT - 8.0) / columns.len() as f64;
    let mut svg = open(height);
    for tick in ticks {
        let y = top + plot * (1.0 - tick as f64 / ceiling as f64);
        grid_line(&mut svg, y, tick);
    }
    let every = (columns.len() as f64 * 84.0 / (WIDTH - LEFT))
        .ceil()
        .max(1.0) as usize;
    for (at, column) in columns.iter().enumerate() {
        let x = LEFT + step * at as f64;
        let mut y = top + plot;
        for (series, part) in column
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| **part > 0)
        {
            let tall = plot * *part as f64 / ceiling as f64;
            y -= tall;
            let wide = (step * 0.86).clamp(1.0, 48.0);
            rectangle(&mut svg, (x, y, wide, tall), colour(series), 1.0);
        }
        if at % every == 0 {
            // The last label ends where the plot does.
            let (x, anchor) = match x > WIDTH - 88.0 {
                true => (WIDTH - 8.0, "end"),
                false => (x, "start"),
            };
            let y = height - bottom + 16.0;
            label(&mut svg, (x, y), anchor, &column.label);
        }
    }
    svg.push_str("</svg>");
    svg + &legend(names)
}

/// One bar: its label, and how much of each series it has.
pub(crate) fn bars(names: &[String], bars: &[Column]) -> String {
    let Some(longest) = bars.iter().map(Column::sum).max().filter(|most| *most > 0) else {
        return String::new();
    };
    let (row, left) = (22.0, 210.0);
    let height = row * bars.len() as f64 + 8.0;
    let mut svg = open(height);
    for (at, bar) in bars.iter().enumerate() {
        let y = 4.0 + row * at as f64;
        let mut x = left;
        label(&mut svg, (left - 8.0, y + 14.0), "end", &bar.label);
        for (series, part) in bar.parts.iter().enumerate() {
            let wide = (WIDTH - left - 90.0) * *part as f64 / longest as f64;
            if *part > 0 {
                rectangle(
                    &mut svg,
                    (x, y + 3.0, wide.max(0.6), row - 8.0),
                    colour(series),
                    1.0,
                );
            }
            x += wide;
        }
        label(&mut svg, (x + 6.0, y + 14.0), "start", &grouped(bar.sum()));
    }
    svg.push_str("</svg>");
    if names.len() > 1 {
        svg + &legend(names)
    } else {
        svg
    }
}

/// A row of cells for each label; the more a cell counts, the darker it is. `times` are what the
/// first and the last cell begin with.
pub(crate) fn strips(rows: &[(String, Vec<u64>)], times: (&str, &str)) -> String {
    let most = rows.iter().flat_map(|(_, cells)| cells).max();
    let Some(most) = most.filter(|most| **most > 0) else {
        return String::new();
    };
    let (row, left) = (20.0, 210.0);
    let height = row * rows.len() as f64 + 26.0;
    let mut svg = open(height);
    for (at, (name, cells)) in rows.iter().enumerate() {
        let y = row * at as f64;
        let wide = (WIDTH - left - 8.0) / cells.len().max(1) as f64;
        label(&mut svg, (left - 8.0, y + 14.0), "end", name);
        frame(&mut svg, (left, y + 2.0, WIDTH - left - 8.0, row - 4.0));
        for (cell, count) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
            // By the logarithm, so that one event is seen beside thousands.
            let dark = 0.18 + 0.82 * (*count as f64).ln_1p() / (*most as f64).ln_1p();
            let x = left + wide * cell as f64;
            rectangle(
                &mut svg,
                (x, y + 2.0, wide.max(0.8), row - 4.0),
                colour(0),
                dark,
            );
        }
    }
    label(&mut svg, (left, height - 8.0), "start", times.0);
    label(&mut svg, (WIDTH - 8.0, height - 8.0), "end", times.1);
    svg.push_str("</svg>");
    svg
}

fn open(height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">"
    )
}

/// Writing to a string never fails.
macro_rules! draw {
    ($svg:expr, $($text:tt)*) => {
        let _ = write!($svg, $($text)*);
    };
}

fn rectangle(svg: &mut String, (x, y, wide, tall): (f64, f64, f64, f64), fill: &str, opacity: f64) {
    draw!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"{fill}\""
    );
    if opacity < 1.0 {
        draw!(svg, " fill-opacity=\"{opacity:.2}\"");
    }
    svg.push_str("/>");
}

fn frame(svg: &mut String, (x, y, wide, tall): (f64, f64, f64, f64)) {
    draw!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"none\" stroke=\"{GRID}\"/>"
    );
}

fn label(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    draw!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"12\" fill=\"{TEXT}\">{}</text>",
        escape(text)
    );
}

fn grid_line(svg: &mut String, y: f64, tick: u64) {
    let right = WIDTH - 8.0;
    draw!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{GRID}\"/>"
    );
    label(svg, (LEFT - 8.0, y + 4.0), "end", &grouped(tick));
}

fn legend(names: &[String]) -> String {
    let mut html = String::from("<p class=\"legend\">");
    for (series, name) in names.iter().enumerate() {
        let (fill, name) = (colour(series), escape(name));
        draw!(
            html,
            "<span><i style=\"background:{fill}\"></i>{name}</span>"
        );
    }
    html + "</p>"
}

/// A round number at or above `highest`, and about four ticks up to it.
fn scale(highest: u64) -> (u64, Vec<u64>) {
    let mut step = 1_u64;
    for factor in [2, 5, 10]
        .into_iter()
        .cycle()
        .scan(1_u64, |decade, factor| {
            let step = decade.saturating_mul(factor);
            if factor == 10 {
                *decade = step;
            }
            Some(step)
        })
    {
        if highest.div_ceil(step) <= 4 {
            break;
        }
        step = factor;
        if step == u64::MAX {
            break;
        }
    }
    let count = highest.div_ceil(step);
    let ceiling = step.saturating_mul(count);
    (ceiling, (0..=count).map(|tick| tick * step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_with_a_round_number_at_or_above_the_highest() {
        for highest in [
            1,
            2,
            3,
            4,
            5,
            7,
            9,
            10,
            11,
            37,
            99,
            100,
            4_321,
            1_000_001,
            1 << 52,
        ] {
            let (ceiling, ticks) = scale(highest);
            assert!(
                ceiling >= highest && ticks.len() <= 6,
                "{highest}: {ticks:?}"
            );
            assert_eq!(ticks.last(), Some(&ceiling));
            assert!(ceiling <= highest.saturating_mul(3), "{highest}: {ceiling}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let column = Column {
            label: "<script>".into(),
            parts: vec![1],
        };
        let svg = bars(&["a&b".into(), "\"c\"".into()], &[column]);
        assert!(
            svg.contains("&lt;script&gt;") && !svg.contains("<script"),
            "{svg}"
        );
        assert!(
            svg.contains("a&amp;b") && svg.contains("&quot;c&quot;"),
            "{svg}"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn a_plot_of_nothing_is_none() {
        assert_eq!(columns(&[], &[]), "");
        let empty = || Column {
            label: String::new(),
            parts: vec![0, 0],
        };
        assert_eq!(bars(&[], &[empty()]), "");
        assert_eq!(strips(&[("a".into(), vec![0])], ("", "")), "");
    }
}
