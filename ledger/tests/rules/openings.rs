//! Break-glass, reviews and the emergency journal against a naive model that remembers everything.

use crate::break_glass::{glass, review};
use crate::emergency::{EMPTY, after, entry};
use crate::world::*;
use medanchor_ledger::event::{EmergencyJournal, EventBody};
use medanchor_ledger::rules::{OpenReviews, TagIndex};
use medanchor_ledger::{Tag, Time};
use proptest::prelude::*;

const WHO: [&str; 4] = [HOSPITAL, OTHER_HOSPITAL, PHARMACY, REGULATOR];
const HOUR: u64 = 60 * MINUTE;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Break-glasses from this number on, as many as that.
    Break(u16, u16),
    Review(usize, u16),
    Hours(u64),
    /// An entry that follows the newest one (true), or the one before it.
    Entry(bool),
    /// A statement of the newest head (true), or of the one before it.
    State(bool),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let who = 0..WHO.len();
    let number = 0..90u16;
    let step = prop_oneof![
        (number.clone(), 1..40u16).prop_map(|(from, count)| Step::Break(from, count)),
        (who.clone(), number).prop_map(|(requester, number)| Step::Review(requester, number)),
        (1..100u64).prop_map(Step::Hours),
        any::<bool>().prop_map(Step::Entry),
        any::<bool>().prop_map(Step::State),
    ];
    prop::collection::vec((who, step), 1..40)
}

/// A break-glass: whose, which, when its review falls due, whether it is there.
struct Opened {
    who: usize,
    number: u16,
    due: u64,
    reviewed: bool,
}

/// What the rules should remember, said as simply as can be.
struct Model {
    opened: Vec<Opened>,
    /// Of each participant that has a journal: what it would state after each entry.
    journals: [Vec<EmergencyJournal>; 4],
    /// Events that bear the tag of record 1.
    indexed: u64,
}

impl Model {
    fn overdue(&self, who: usize, now: u64) -> usize {
        let late = |opened: &&Opened| {
            opened.who == who && !opened.reviewed && opened.due / HOUR < now / HOUR
        };
        self.opened.iter().filter(late).count()
    }

    fn break_glass(&mut self, who: usize, number: u16, now: u64) -> bool {
        let hospital = [HOSPITAL, OTHER_HOSPITAL].contains(&WHO[who]);
        let taken = self
            .opened
            .iter()
            .any(|opened| (opened.who, opened.number) == (who, number));
        let allowed = hospital && !taken && self.overdue(who, now) < 64;
        if allowed {
            self.opened.push(Opened {
                who,
                number,
                due: now + 72 * HOUR,
                reviewed: false,
            });
        }
        allowed
    }

    fn review(&mut self, who: usize, requester: usize, number: u16) -> bool {
        let may = who != requester && [HOSPITAL, REGULATOR].contains(&WHO[who]);
        let open = |opened: &&mut Opened| {
            (opened.who, opened.number, opened.reviewed) == (requester, number, false)
        };
        match self.opened.iter_mut().find(open) {
            Some(found) if may => {
                found.reviewed = true;
                true
            }
            _ => false,
        }
    }

    /// What a participant's journal states: now, or before its newest entry.
    fn stated(&self, who: usize, newest: bool) -> EmergencyJournal {
        let mut states = self.journals[who].iter().rev();
        let (last, before) = (states.next(), states.next());
        let found = if newest { last } else { before.or(last) };
        found.copied().unwrap_or(EMPTY)
    }

    /// Applies the step and says for each of its events whether it applies.
    fn step(&mut self, who: usize, step: Step, now: u64) -> Vec<bool> {
        let allowed = match step {
            Step::Break(from, count) => (from..from + count)
                .map(|number| self.break_glass(who, number, now))
                .collect(),
            Step::Review(requester, number) => vec![self.review(who, requester, number)],
            Step::Hours(_) => Vec::new(),
            Step::Entry(newest) => vec![self.entry(who, newest)],
            Step::State(newest) => return vec![self.state(who, newest)],
        };
        self.indexed += allowed
            .iter()
            .map(|allowed| u64::from(*allowed))
            .sum::<u64>();
        allowed
    }

    fn entry(&mut self, who: usize, newest: bool) -> bool {
        let built_on = self.stated(who, newest);
        let known = self.journals[who].last() == Some(&built_on);
        // Only the hospital has sealed record 1.
        let allowed = known && WHO[who] == HOSPITAL;
        if allowed {
            self.journals[who].push(after(&entry(built_on)));
        }
        allowed
    }

    fn state(&mut self, who: usize, newest: bool) -> bool {
        let stated = self.stated(who, newest);
        if self.journals[who].is_empty() {
            self.journals[who].push(EMPTY);
        }
        self.journals[who].last() == Some(&stated)
    }
}

fn bodies(model: &Model, who: usize, step: Step) -> Vec<EventBody> {
    match step {
        Step::Break(from, count) => (from..from + count).map(|n| glass(n).into()).collect(),
        Step::Review(requester, number) => vec![review(WHO[requester], number).into()],
        Step::Hours(_) => Vec::new(),
        Step::Entry(newest) => vec![entry(model.stated(who, newest)).into()],
        Step::State(newest) => vec![model.stated(who, newest).into()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The rules allow what the model allows, count what it counts, and index what was allowed.
    #[test]
    fn openings_are_allowed_counted_and_indexed_as_the_model_says(steps in steps()) {
        let mut world = World::new();
        world.apply(HOSPITAL, seal(1, 1));
        let mut model = Model { opened: Vec::new(), journals: Default::default(), indexed: 1 };
        for (who, step) in steps {
            if let Step::Hours(hours) = step {
                world.now += hours * HOUR;
            }
            let now = world.now;
            let events: Vec<_> = bodies(&model, who, step)
                .into_iter()
                .map(|body| world.event(WHO[who], body))
                .collect();
            let allowed = model.step(who, step, now);
            let (verdicts, _) = world.block(&events);
            let verdicts: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
            prop_assert_eq!(verdicts, allowed, "{:?} by {}", step, WHO[who]);
        }
        for (at, who) in WHO.iter().enumerate() {
            let open: Option<OpenReviews> = world.value(&OpenReviews::key(&name(who)));
            let open = open.unwrap_or_default().at(Time(world.now));
            prop_assert_eq!(open.overdue, model.overdue(at, world.now) as u64);
            let waiting = model.opened.iter().filter(|opened| opened.who == at && !opened.reviewed);
            let ahead: u64 = open.ahead.values().sum();
            prop_assert_eq!(open.overdue + ahead, waiting.count() as u64);
        }
        let tag: TagIndex = world.value(&TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]))).unwrap();
        prop_assert_eq!(tag.count, model.indexed);
    }
}
