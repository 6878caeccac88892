//! What a report counts, block by block and cosignature by cosignature.
//!
//! What always holds: memory depends on how many institutions, types of events and cells of time
//! there are, not on the length of the log. Only what is in the period is counted.

use super::clock::Period;
use super::gaps::{Gap, Gaps};
use super::reviews::Reviews;
use super::spread::Spread;
use super::timeline::{Tally, Timeline};
use crate::outcome::{Outcome, judged};
use medanchor_ledger::event::{Event, EventKind};
use medanchor_ledger::execute::Executed;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::{Decision, Role};
use medanchor_ledger::{Height, ParticipantName, Size, Time};
use std::collections::{BTreeMap, HashMap};

/// What one institution did.
#[derive(Debug, Default)]
pub(crate) struct Institution {
    pub(crate) name: String,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) by_kind: BTreeMap<&'static str, u64>,
    pub(crate) permitted: u64,
    pub(crate) denied: u64,
    pub(crate) last: Option<Time>,
    /// The longest time without an event of its own, from the first block of the period to the last, in
    /// milliseconds.
    pub(crate) silence: u64,
}

impl Institution {
    pub(crate) fn events(&self) -> u64 {
        self.by_kind.values().sum()
    }
}

/// What a validator did for the network.
#[derive(Debug, Default)]
pub(crate) struct Validator {
    /// Blocks that it built.
    pub(crate) built: u64,
    /// Sizes of the log whose quorum, as the node kept it, it stands in.
    pub(crate) cosigned: u64,
}

/// How often something was opened without a consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Openings {
    /// Break-glass, permitted or denied.
    pub(crate) break_glass: u64,
    /// Reviews that were given of it.
    pub(crate) reviews: u64,
    /// Openings by an owner's emergency key.
    pub(crate) emergencies: u64,
}

/// What a cell of time counts.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) by_domain: BTreeMap<&'static str, u64>,
    /// In the order of [`Gathered::institutions`]; those behind the end have none.
    pub(crate) by_institution: Vec<u64>,
    pub(crate) permitted: u64,
    pub(crate) denied: u64,
}

impl Tally for Cell {
    fn absorb(&mut self, other: Self) {
        for (domain, count) in other.by_domain {
            *self.by_domain.entry(domain).or_default() += count;
        }
        for (at, count) in other.by_institution.into_iter().enumerate() {
            self.add_institution(at, count);
        }
        self.permitted += other.permitted;
        self.denied += other.denied;
    }
}

impl Cell {
    fn add_institution(&mut self, at: usize, count: u64) {
        if self.by_institution.len() <= at {
            self.by_institution.resize(at + 1, 0);
        }
        if let Some(cell) = self.by_institution.get_mut(at) {
            *cell += count;
        }
    }
}

/// What the blocks of the period were like.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) count: u64,
    pub(crate) empty: u64,
    /// Blocks that were first built in a round after the first: a proposer did not come in time.
    pub(crate) later_round: u64,
    pub(crate) first: Option<Time>,
    pub(crate) last: Option<Time>,
}

/// All that a report tells.
pub(crate) struct Gathered {
    pub(crate) period: Period,
    pub(crate) institutions: Vec<Institution>,
    places: HashMap<ParticipantName, usize>,
    pub(crate) validators: BTreeMap<ParticipantName, Validator>,
    pub(crate) timeline: Timeline<Cell>,
    pub(crate) reasons: BTreeMap<&'static str, u64>,
    /// Of the whole log.
    pub(crate) reviews: Reviews,
    pub(crate) blocks: Blocks,
    /// The time of the block before, in the period or not; none before height 1.
    before: Option<Time>,
    pub(crate) intervals: Spread,
    pub(crate) gaps: Gaps,
    /// From a block's time to the quorum's cosignature over it.
    pub(crate) latency: Spread,
    quorum: usize,
    /// The size whose cosignatures are being read: block time and when each was made, in seconds.
    open: Option<(Size, Time, Vec<u64>)>,
}

impl Gathered {
    pub(crate) fn new(genesis: &Genesis, period: Period) -> Self {
        let spec = genesis.spec();
        let roles = |roles: &[Role]| roles.iter().map(|role| role.as_str()).collect();
        let known = spec.participants.iter();
        let institutions = known.map(|(name, participant)| Institution {
            name: name.to_string(),
            roles: roles(participant.roles()),
            ..Institution::default()
        });
        let names = spec.participants.keys().cloned();
        let validators = genesis.validators().iter();
        Self {
            period,
            institutions: institutions.collect(),
            places: names.zip(0..).collect(),
            validators: validators
                .map(|validator| (validator.name.clone(), Validator::default()))
                .collect(),
            timeline: Timeline::new(period.clock),
            reasons: BTreeMap::new(),
            reviews: Reviews::default(),
            blocks: Blocks::default(),
            before: None,
            intervals: Spread::new(50, 1_200),
            gaps: Gaps::default(),
            latency: Spread::new(1_000, 600),
            quorum: genesis.validators().quorum(),
            open: None,
        }
    }

    /// Counts a block that holds. Height 0 is genesis: nobody built it, and the network began to run
    /// later.
    pub(crate) fn block(&mut self, block: &Executed) {
        let (seal, time) = (&block.seal, block.seal.time);
        if seal.proposer.is_none() {
            return;
        }
        self.reviews.block(block);
        if let Some(before) = self.before.replace(time) {
            self.interval(before, time, seal.height);
        }
        if !self.period.contains(time) {
            return;
        }
        self.blocks.first.get_or_insert(time);
        self.blocks.last = Some(time);
        self.blocks.count += 1;
        self.blocks.empty += u64::from(block.events.is_empty());
        self.blocks.later_round += u64::from(seal.round.0 > 0);
        if let Some(proposer) = &seal.proposer {
            self.validators.entry(proposer.clone()).or_default().built += 1;
        }
        for judged in judged(block) {
            self.event(judged.event, judged.outcome, time);
        }
    }

    /// Counts what of the time between two blocks is in the period.
    fn interval(&mut self, before: Time, time: Time, height: Height) {
        let (since, until) = (self.period.clip(before), self.period.clip(time));
        let millis = until.0.saturating_sub(since.0);
        if millis == 0 {
            return;
        }
        self.intervals.add(millis);
        self.gaps.add(Gap {
            millis,
            since,
            height,
        });
    }

    fn event(&mut self, event: &Event, outcome: Outcome, time: Time) {
        let place = self.place(event.issuer());
        let kind = event.kind().name();
        let cell = self.timeline.at(time);
        *cell.by_domain.entry(domain(kind)).or_default() += 1;
        cell.add_institution(place, 1);
        let first = self.blocks.first.unwrap_or(time);
        let Some(institution) = self.institutions.get_mut(place) else {
            return;
        };
        *institution.by_kind.entry(kind).or_default() += 1;
        let since = institution.last.replace(time).unwrap_or(first);
        institution.silence = institution.silence.max(time.0.saturating_sub(since.0));
        match outcome {
            // Break-glass stands in a section of its own, and its denials with the others.
            Outcome::Applied | Outcome::Broken(Decision::Permitted) => {}
            Outcome::Decided(Decision::Permitted) => {
                institution.permitted += 1;
                cell.permitted += 1;
            }
            Outcome::Decided(Decision::Denied(reason))
            | Outcome::Broken(Decision::Denied(reason)) => {
                institution.denied += 1;
                cell.denied += 1;
                *self.reasons.entry(reason.as_str()).or_default() += 1;
            }
        }
    }

    fn place(&mut self, name: &ParticipantName) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.institutions.len();
        self.institutions.push(Institution {
            name: name.to_string(),
            ..Institution::default()
        });
        self.places.insert(name.clone(), place);
        place
    }

    /// Counts a cosignature that holds, made `seconds` after 1970, over the size that the block of
    /// `time` ends with. Those of one size come together.
    pub(crate) fn cosignature(
        &mut self,
        validator: &ParticipantName,
        size: Size,
        time: Time,
        seconds: u64,
    ) {
        if !self.period.contains(time) {
            return;
        }
        self.validators
            .entry(validator.clone())
            .or_default()
            .cosigned += 1;
        match &mut self.open {
            Some((open, _, made)) if *open == size => made.push(seconds),
            _ => {
                self.settle();
                self.open = Some((size, time, vec![seconds]));
            }
        }
    }

    /// Counts what is still open. To be called once, at the end.
    pub(crate) fn finish(&mut self) {
        self.settle();
        let (Some(first), Some(last)) = (self.blocks.first, self.blocks.last) else {
            return;
        };
        for institution in &mut self.institutions {
            let since = institution.last.unwrap_or(first);
            let silence = last.0.saturating_sub(since.0);
            institution.silence = institution.silence.max(silence);
        }
    }

    fn settle(&mut self) {
        let Some((_, time, mut made)) = self.open.take() else {
            return;
        };
        made.sort_unstable();
        // The cosignature's clock counts whole seconds: the block's time is cut to them too.
        if let Some(quorum) = made.get(self.quorum.saturating_sub(1)) {
            let millis = quorum.saturating_sub(time.0 / 1000).saturating_mul(1000);
            self.latency.add(millis);
        }
    }

    /// All events of the period.
    pub(crate) fn events(&self) -> u64 {
        self.institutions.iter().map(Institution::events).sum()
    }

    /// Requests for access: permitted and denied.
    pub(crate) fn accesses(&self) -> (u64, u64) {
        let (mut permitted, mut denied) = (0, 0);
        for institution in &self.institutions {
            permitted += institution.permitted;
            denied += institution.denied;
        }
        (permitted, denied)
    }

    /// What was opened without a consent, or asked for without one.
    pub(crate) fn openings(&self) -> Openings {
        let by_kind = self.by_kind();
        let count = |kind: EventKind| by_kind.get(kind.name()).copied().unwrap_or_default();
        Openings {
            break_glass: count(EventKind::AccessBreakGlass),
            reviews: count(EventKind::AccessReview),
            emergencies: count(EventKind::AccessEmergency),
        }
    }

    /// Every type of event that came, with how many.
    pub(crate) fn by_kind(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for institution in &self.institutions {
            for (kind, count) in &institution.by_kind {
                *all.entry(*kind).or_default() += count;
            }
        }
        all
    }

    /// Every domain that came, with how many.
    pub(crate) fn by_domain(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for (kind, count) in self.by_kind() {
            *all.entry(domain(kind)).or_default() += count;
        }
        all
    }
}

/// What stands before the point in the name of a type of event: its domain. A lot is opened for
/// units.
pub(crate) fn domain(kind: &'static str) -> &'static str {
    match kind.split_once('.') {
        Some(("lot", _)) => "unit",
        Some((domain, _)) => domain,
        None => kind,
    }
}
