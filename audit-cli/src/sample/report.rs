//! What `sample` found of one inspection, with what it means.

use super::check::Checked;
use super::confidence::{Sample, percent, share};
use super::shown::Shown;
use medanchor_ledger::Time;
use medanchor_ledger::rules::DrawState;
use serde_json::{Value, json};

/// What the user asked to know.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) share: f64,
    pub(crate) confidence: f64,
    /// Draws that the inspector found to be wrong.
    pub(crate) wrong: &'a [u16],
}

/// What follows from a draw, in numbers.
pub(crate) struct Meaning {
    /// Draws whose items were not answered, not opened, seen before, or found to be wrong.
    pub(crate) wrong: u64,
    /// How many validators the network tolerates to be faulty.
    pub(crate) faulty: u32,
    /// By what these, and as many attempts as there were, multiply any outcome's probability at most.
    pub(crate) factor: f64,
    /// How many items the share is.
    pub(crate) bad: u64,
    /// The probability in percent that so many wrong items would have shown more than `wrong`.
    pub(crate) shows: f64,
    /// The same if the draw was steered.
    pub(crate) shows_steered: f64,
    /// The smallest number of wrong items that the sample speaks against; none if against none.
    pub(crate) below: Option<u64>,
    /// The same if the draw was steered.
    pub(crate) below_steered: Option<u64>,
}

/// An inspection, what was shown and what it means.
pub(crate) struct Report<'c, 'g> {
    pub(crate) checked: &'c Checked<'g>,
    /// What the file of items opens; none without one, or if it is of other inspections.
    pub(crate) shown: Option<Shown>,
    /// The time of the newest block.
    pub(crate) now: Time,
    pub(crate) share: f64,
    pub(crate) confidence: f64,
    /// None while nothing is drawn, and none unless items were opened.
    pub(crate) meaning: Option<Meaning>,
}

impl<'c, 'g> Report<'c, 'g> {
    pub(crate) fn new(
        checked: &'c Checked<'g>,
        shown: Option<Shown>,
        now: Time,
        wanted: Wanted<'_>,
    ) -> Self {
        let drawn = checked.state == DrawState::Drawn;
        Self {
            checked,
            meaning: shown
                .as_ref()
                .filter(|_| drawn)
                .map(|shown| meaning(checked, shown, wanted)),
            shown,
            now,
            share: wanted.share,
            confidence: wanted.confidence,
        }
    }

    /// Whether answers may still come.
    pub(crate) fn is_open(&self) -> bool {
        self.now <= self.checked.opened.body.answer_by
    }

    pub(crate) fn draw(&self) -> &'static str {
        match self.checked.state {
            DrawState::Waiting => "waiting",
            DrawState::Drawn => "drawn",
            DrawState::Void => "void",
        }
    }

    pub(crate) fn json(&self, words: &str) -> Value {
        let Checked {
            opened,
            population,
            outputs,
            ..
        } = self.checked;
        let outputs = outputs.iter().map(|(name, output)| {
            json!({ "validator": name.to_string(), "output_sha256": output.to_string() })
        });
        let without = self.checked.without_output().map(ToString::to_string);
        let unanswered = self
            .checked
            .unanswered()
            .map(|(number, place)| json!({ "number": number, "place": place }));
        json!({
            "inspection": opened.body.inspection.to_string(),
            "opener": opened.opener.to_string(),
            "entry": opened.at.index.0,
            "height": opened.at.height.0,
            "seal": opened.seal.to_string(),
            "population": {
                "owner": opened.body.owner.to_string(),
                "handle": opened.body.population.to_string(),
                "items": population.count,
                "root": population.root.to_string(),
                "entry": population.fixed.index.0,
                "recomputed": self.shown.as_ref().is_some_and(|shown| shown.whole),
            },
            "draws_of_this_root": self.checked.draws.all,
            "void_draws_of_this_root": self.checked.draws.void,
            "draw": self.draw(),
            "outputs_by": self.checked.outputs_by.0,
            "outputs": outputs.collect::<Vec<_>>(),
            "without_output": without.collect::<Vec<_>>(),
            "quorum": self.checked.quorum(),
            "seed": self.checked.seed.map(|seed| seed.to_string()),
            "sample": opened.body.sample,
            "places": self.checked.places,
            "answer_by": opened.body.answer_by.0,
            "answers_may_still_come": self.is_open(),
            "answered": self.checked.answered.keys().collect::<Vec<_>>(),
            "items_opened": self.shown.as_ref().map(|shown| shown.opened.len()),
            "items_seen_before": self.shown.as_ref().map(|shown| &shown.again),
            "other_items_than_answered": self.shown.as_ref().map(|shown| &shown.other),
            "unanswered": unanswered.collect::<Vec<_>>(),
            "meaning": self.meaning.as_ref().map(|meaning| self.meaning_json(meaning)),
            "words": words,
        })
    }

    fn meaning_json(&self, meaning: &Meaning) -> Value {
        json!({
            "not_shown_or_wrong": meaning.wrong,
            "tolerated_validators": meaning.faulty,
            "bias_factor": meaning.factor,
            "share_percent": self.share,
            "share_items": meaning.bad,
            "would_have_shown_percent": meaning.shows,
            "would_have_shown_percent_if_steered": meaning.shows_steered,
            "confidence_percent": self.confidence,
            "wrong_items_fewer_than": meaning.below,
            "wrong_items_fewer_than_if_steered": meaning.below_steered,
        })
    }
}

fn meaning(checked: &Checked<'_>, shown: &Shown, wanted: Wanted<'_>) -> Meaning {
    let bad = |number: &u16| !shown.shows(*number) || wanted.wrong.contains(number);
    // At most 1,000 places.
    let draws = (0..).zip(&checked.places).map(|(number, _)| number);
    let sample = Sample {
        items: checked.population.count,
        drawn: checked.places.len() as u64,
        wrong: draws.filter(bad).count() as u64,
    };
    // At most 33 of 100 validators, so the power is finite and exact.
    let faulty = (checked.opened.validators.len().saturating_sub(1) / 3) as u32;
    let factor = f64::from(faulty).exp2() * checked.draws.all as f64;
    let bad = share(sample.items, wanted.share);
    let tail = sample.tail(bad);
    let confidence = wanted.confidence / 100.0;
    Meaning {
        wrong: sample.wrong,
        faulty,
        factor,
        bad,
        shows: percent(1.0 - tail),
        shows_steered: percent(1.0 - factor * tail),
        below: sample.excluded(confidence, 1.0),
        below_steered: sample.excluded(confidence, factor),
    }
}
