//! Figures and how they are shown: a table for people, JSON for scripts, with the budget of the
//! design beside each figure that has one.
//!
//! What always holds: nothing here judges; a figure that misses its budget is shown, not failed.

use crate::machine::Machine;
use serde::Serialize;

/// What the design asks of a figure.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// As many as possible.
    AtLeast {
        /// What must be.
        must: f64,
        /// What would be good.
        goal: f64,
    },
    /// As few as possible.
    AtMost {
        /// What must be.
        must: f64,
        /// What would be good.
        goal: f64,
    },
}

impl Budget {
    const fn bounds(self) -> (f64, f64) {
        match self {
            Self::AtLeast { must, goal } | Self::AtMost { must, goal } => (must, goal),
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        let within = |bound: f64| match self {
            Self::AtLeast { .. } => value >= bound,
            Self::AtMost { .. } => value <= bound,
        };
        let (must, goal) = self.bounds();
        match (within(must), within(goal)) {
            (_, true) => "goal",
            (true, false) => "must",
            (false, false) => "missed",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::AtLeast { .. } => ">=",
            Self::AtMost { .. } => "<=",
        }
    }
}

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What the design asks of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// Figures that share a workload.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// Workload, payload size, and whether signatures were checked.
    pub workload: String,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Section {
    /// A section without figures.
    pub fn new(title: impl Into<String>, workload: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            workload: workload.into(),
            figures: Vec::new(),
        }
    }

    /// Adds a figure.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) -> &mut Self {
        self.push(name.into(), value, unit, None)
    }

    /// Adds a figure of which the design asks something.
    pub fn add_with(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: Budget,
    ) -> &mut Self {
        self.push(name.into(), value, unit, Some(budget))
    }

    fn push(
        &mut self,
        name: String,
        value: f64,
        unit: &'static str,
        budget: Option<Budget>,
    ) -> &mut Self {
        self.figures.push(Figure {
            name,
            value,
            unit,
            budget,
        });
        self
    }

    /// Shows the section.
    pub fn print(&self) {
        println!("\n{}\n  {}", self.title, self.workload);
        for figure in &self.figures {
            println!("{}", line(figure));
        }
    }
}

fn line(figure: &Figure) -> String {
    let value = format!("{} {}", number(figure.value), figure.unit);
    let budget = figure.budget.map_or_else(String::new, |budget| {
        let (must, goal) = budget.bounds();
        let (sign, verdict) = (budget.sign(), budget.verdict(figure.value));
        format!(
            "{verdict:>6}  (must {sign} {}, goal {sign} {})",
            number(must),
            number(goal)
        )
    });
    format!("    {:<44} {value:>20}  {budget}", figure.name)
        .trim_end()
        .to_owned()
}

/// A number with as many digits as one can use, in groups of three.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// All that was measured.
#[derive(Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// What.
    pub sections: Vec<Section>,
}

/// The value below which `share` of all lie; zero if there are none.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    // Both are small and not negative, so nothing is lost.
    let place = (last as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_short() {
        let shown = [0.0123, 1.5, 12.34, 123.4, 12_345.6, 1_234_567.0].map(number);
        assert_eq!(
            shown,
            ["0.012", "1.50", "12.3", "123", "12,346", "1,234,567"]
        );
    }

    #[test]
    fn a_figure_is_held_against_its_budget() {
        let rate = Budget::AtLeast {
            must: 10.0,
            goal: 20.0,
        };
        let verdicts = [9.0, 10.0, 20.0].map(|value| rate.verdict(value));
        assert_eq!(verdicts, ["missed", "must", "goal"]);
        let time = Budget::AtMost {
            must: 10.0,
            goal: 5.0,
        };
        let verdicts = [11.0, 10.0, 5.0].map(|value| time.verdict(value));
        assert_eq!(verdicts, ["missed", "must", "goal"]);
    }

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.5), 50.0);
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
