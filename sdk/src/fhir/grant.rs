//! From a consent to what is granted on the ledger.
//!
//! What always holds: the grant permits no more than the consent says. Whatever narrows the consent in
//! a way that the ledger cannot compare is refused; purposes are expanded by HL7's hierarchy, which
//! never reaches breaking the glass; and a separate consent that the law asks for (PIPL 23, 29, 39) is
//! there or the refusal names the flag that is missing.

use super::classes::{ALL_CLASSES, class_word};
use super::consent::{
    Actor, CATEGORIES, Consent, Decision, Flag, Grantor, Level, Rule, SeparateConsent, Status,
    is_sensitive, level_of, words,
};
use super::element::{Coding, DateTime, Reference};
use super::purpose;
use crate::domain::{Grantee, NewConsent};
use medanchor_ledger::{ParticipantName, Time};
use medanchor_vault::Category;

/// Grantees and words that one event may list.
const MAX_GRANTEES: usize = 16;
const MAX_WORDS: usize = 32;

/// Why nothing is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotGranted {
    /// The status is another one than active.
    #[error("the consent is {status}; only an active one is granted", status = .0.code())]
    Status(Status),
    /// It forbids all but breaking the glass.
    #[error(
        "the consent allows nothing but breaking the glass, which no grant allows: the ledger keeps and reviews each such access without a consent"
    )]
    BreakGlassOnly,
    /// It denies.
    #[error("the consent denies; grants on the ledger only permit, so grant nothing")]
    Denies,
    /// It has exceptions.
    #[error(
        "the consent has exceptions, which the ledger cannot compare; write the permission without them"
    )]
    Exceptions,
    /// It is about particular data or data of one period.
    #[error(
        "the consent is about {0}, which the ledger cannot compare; name kinds of data and levels instead"
    )]
    Narrowed(&'static str),
    /// It permits everybody.
    #[error("the consent names no recipient, so it would permit everybody; name them")]
    NoGrantee,
    /// A recipient that is no participant and is in none.
    #[error(
        "recipient {0} of the consent stands for no participant of the network; register it, or name another"
    )]
    UnknownGrantee(usize),
    /// It permits any purpose.
    #[error("the consent names no purpose, so it would permit any; name them")]
    NoPurpose,
    /// A purpose outside HL7's hierarchy.
    #[error("purpose {0} of the consent is none of HL7's PurposeOfUse; use one of them")]
    UnknownPurpose(usize),
    /// BTG among the purposes.
    #[error(
        "the consent permits breaking the glass (BTG), which is no purpose to grant; take it out"
    )]
    BreakGlass,
    /// A class that is neither a resource type nor a category.
    #[error(
        "kind of data {0} of the consent is neither a FHIR resource type nor a category of GB/T 39725; use one"
    )]
    UnknownClass(usize),
    /// A category of GB/T 39725 without a level.
    #[error(
        "kind of data {0} of the consent is a category, which goes with levels; label the consent L1 to L5"
    )]
    CategoryWithoutLevel(usize),
    /// A label that is no level.
    #[error(
        "label {0} of the consent is no level of sensitivity L1 to L5, and the ledger compares no others"
    )]
    UnknownLabel(usize),
    /// A separate consent is missing.
    #[error("the separate consent `{0}` is missing; ask the patient for it and record it")]
    Separate(Flag),
    /// More than an event holds.
    #[error("the consent names {found} {what}, and one event holds {limit}; split it")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many it names.
        found: usize,
        /// How many one event holds.
        limit: usize,
    },
    /// Somebody else than the patient gave it.
    #[error(
        "the consent was given in the patient's stead, and would outlive that person's right to; grant it under a delegation, which ends with it"
    )]
    ByAnother,
    /// It begins or ends before 1970, or ends before it begins.
    #[error("the consent's period is over before it begins, or lies before 1970; correct it")]
    Period,
    /// It is over.
    #[error("the consent's period is over")]
    Over,
}

/// Whom a recipient of a consent stands for, as the institution's own directory says. The consent is
/// never asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The participant, and the person or team in it.
    pub grantee: Grantee,
    /// Where the participant is, such as `CN` (ISO 3166-1).
    pub jurisdiction: String,
}

/// What is known where a consent is granted.
pub struct Setting<'a> {
    /// Who keeps the records.
    pub owner: &'a ParticipantName,
    /// Where that is, such as `CN`.
    pub jurisdiction: &'a str,
    /// Now.
    pub now: Time,
    /// When a consent ends that names no end.
    pub no_end: Time,
    /// Minutes that the clocks there are ahead of UTC, by which a day without a time of day is meant.
    pub utc_offset: i16,
    /// Whether it is granted under a delegation, which ends in time what somebody agrees to in the
    /// patient's stead.
    pub delegated: bool,
    /// Whom a reference stands for.
    pub directory: &'a dyn Fn(&Reference) -> Option<Recipient>,
}

/// What a consent grants, in the words of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who may read.
    pub grantees: Vec<Grantee>,
    /// For what, with all that each purpose includes.
    pub purposes: Vec<&'static str>,
    /// Which kinds of data, as [`class_word`] gives them.
    pub classes: Vec<String>,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
    /// The separate consents that were given with it.
    pub separate: SeparateConsent,
    /// Whether somebody of them is in another jurisdiction than who keeps the records.
    pub abroad: bool,
}

/// What the terms of a grant do not say, and who grants adds. All ids are the application's own and stay
/// at home.
#[derive(Clone, Copy)]
pub struct Particulars<'a> {
    /// The id of the consent.
    pub name: &'a str,
    /// The id of the consent that this one continues, if it continues one.
    pub root: Option<&'a str>,
    /// The id of the patient.
    pub subject: &'a str,
    /// Records sealed since then are covered.
    pub records_since: Time,
    /// The ids of the records that exist today, each with the word of its class.
    pub records: &'a [(&'a str, &'a str)],
    /// The consent document.
    pub document: &'a [u8],
}

impl Terms {
    /// Gives `then` the consent to be granted.
    pub fn with<T>(&self, rest: &Particulars<'_>, then: impl FnOnce(&NewConsent<'_>) -> T) -> T {
        let classes: Vec<&str> = self.classes.iter().map(String::as_str).collect();
        then(&NewConsent {
            name: rest.name,
            root: rest.root,
            subject: rest.subject,
            grantees: &self.grantees,
            purposes: &self.purposes,
            classes: &classes,
            records_since: rest.records_since,
            not_before: self.not_before,
            not_after: self.not_after,
            records: rest.records,
            separate: self.separate,
            abroad: self.abroad,
            document: rest.document,
        })
    }
}

impl Consent {
    /// What the ledger shall grant.
    ///
    /// # Errors
    /// [`NotGranted`] says what the ledger cannot hold or which separate consent is missing.
    pub fn terms(&self, setting: &Setting<'_>) -> Result<Terms, NotGranted> {
        if self.status != Status::Active {
            return Err(NotGranted::Status(self.status));
        }
        if !setting.delegated && self.grantors.iter().any(Grantor::is_another) {
            return Err(NotGranted::ByAnother);
        }
        let rule = self.permission()?;
        let recipients = recipients(&rule.actors, setting)?;
        let levels = levels(&rule.labels)?;
        let needed = needed(&recipients, &levels, setting);
        if let Some(flag) = self.separate.missing(needed) {
            return Err(NotGranted::Separate(flag));
        }
        let (not_before, not_after) = self.validity(rule, setting)?;
        Ok(Terms {
            grantees: recipients
                .into_iter()
                .map(|recipient| recipient.grantee)
                .collect(),
            purposes: purposes(&rule.purposes)?,
            classes: classes(&rule.classes, &levels)?,
            not_before,
            not_after,
            separate: self.separate,
            abroad: needed.cross_border,
        })
    }

    /// The one rule that permits: the base rule, or the one exception to a denial.
    fn permission(&self) -> Result<&Rule, NotGranted> {
        let base = &self.base;
        if self.is_break_glass_only() {
            return Err(NotGranted::BreakGlassOnly);
        }
        let rule = match (base.decision, base.exceptions.as_slice()) {
            (Decision::Permit, []) => &base.rule,
            (Decision::Deny, [one])
                if one.decision == Decision::Permit && base.rule.names_nothing() =>
            {
                &one.rule
            }
            (Decision::Deny, []) => return Err(NotGranted::Denies),
            _ => return Err(NotGranted::Exceptions),
        };
        match () {
            () if rule.data_period.is_some() => Err(NotGranted::Narrowed("data of one period")),
            () if !rule.data.is_empty() => Err(NotGranted::Narrowed("particular resources")),
            () => Ok(rule),
        }
    }

    /// When it holds: where both the base rule and the rule name a time, the shorter.
    fn validity(&self, rule: &Rule, setting: &Setting<'_>) -> Result<(Time, Time), NotGranted> {
        let periods = || [&self.base.rule.period, &rule.period].into_iter().flatten();
        let starts = periods().filter_map(|period| period.start.as_ref());
        let ends = periods().filter_map(|period| period.end.as_ref());
        let there = |time: &DateTime, moment: Time| match time.is_day() {
            true => moment
                .0
                .checked_add_signed(-i64::from(setting.utc_offset) * 60_000),
            false => Some(moment.0),
        };
        let start = |time: &DateTime| there(time, time.start()?).map(Time);
        // Both ends of FHIR's periods are inclusive.
        let end = |time: &DateTime| there(time, time.end()?.plus_millis(1)).map(Time);
        let starts: Option<Vec<Time>> = starts.map(start).collect();
        let ends: Option<Vec<Time>> = ends.map(end).collect();
        let (starts, ends) = starts.zip(ends).ok_or(NotGranted::Period)?;
        let not_before = starts.into_iter().max().unwrap_or(setting.now);
        let not_after = ends.into_iter().min().unwrap_or(setting.no_end);
        match () {
            () if not_after <= not_before => Err(NotGranted::Period),
            () if not_after <= setting.now => Err(NotGranted::Over),
            () => Ok((not_before, not_after)),
        }
    }
}

/// The separate consents that must be there.
fn needed(recipients: &[Recipient], levels: &[Level], setting: &Setting<'_>) -> SeparateConsent {
    let any = |differs: &dyn Fn(&Recipient) -> bool| recipients.iter().any(differs);
    SeparateConsent {
        sensitive: levels.iter().any(|level| is_sensitive(*level)),
        share: any(&|one| one.grantee.participant != *setting.owner),
        cross_border: any(&|one| one.jurisdiction != setting.jurisdiction),
    }
}

impl Rule {
    fn names_nothing(&self) -> bool {
        *self
            == Self {
                period: self.period.clone(),
                ..Self::default()
            }
    }
}

fn bounded<T>(what: &'static str, limit: usize, all: Vec<T>) -> Result<Vec<T>, NotGranted> {
    let found = all.len();
    if found > limit {
        Err(NotGranted::TooMany { what, found, limit })
    } else {
        Ok(all)
    }
}

fn recipients(actors: &[Actor], setting: &Setting<'_>) -> Result<Vec<Recipient>, NotGranted> {
    if actors.is_empty() {
        return Err(NotGranted::NoGrantee);
    }
    let known = |(index, actor): (usize, &Actor)| {
        (setting.directory)(&actor.who).ok_or(NotGranted::UnknownGrantee(index))
    };
    let mut all: Vec<Recipient> = actors
        .iter()
        .enumerate()
        .map(known)
        .collect::<Result<_, _>>()?;
    // Two recipients may stand for one participant.
    let mut seen: Vec<Grantee> = Vec::new();
    all.retain(|one| {
        let first = !seen.contains(&one.grantee);
        seen.push(one.grantee.clone());
        first
    });
    bounded("recipients", MAX_GRANTEES, all)
}

fn purposes(codings: &[Coding]) -> Result<Vec<&'static str>, NotGranted> {
    if codings.is_empty() {
        return Err(NotGranted::NoPurpose);
    }
    let mut all = Vec::new();
    for (index, coding) in codings.iter().enumerate() {
        let code = coding
            .code
            .as_deref()
            .filter(|_| coding.system.as_deref() == Some(purpose::SYSTEM));
        if code == Some(purpose::BREAK_GLASS) {
            return Err(NotGranted::BreakGlass);
        }
        let included = code
            .and_then(purpose::included)
            .ok_or(NotGranted::UnknownPurpose(index))?;
        all.extend(included);
    }
    all.sort_unstable();
    all.dedup();
    bounded("purposes", MAX_WORDS, all)
}

fn levels(labels: &[Coding]) -> Result<Vec<Level>, NotGranted> {
    let level = |(index, label)| level_of(label).ok_or(NotGranted::UnknownLabel(index));
    let mut all: Vec<Level> = labels
        .iter()
        .enumerate()
        .map(level)
        .collect::<Result<_, _>>()?;
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Every class with every level; the classes alone where no level is named.
fn classes(codings: &[Coding], levels: &[Level]) -> Result<Vec<String>, NotGranted> {
    let class = |(index, coding): (usize, &Coding)| {
        let category = category(coding);
        if category.is_some() && levels.is_empty() {
            return Err(NotGranted::CategoryWithoutLevel(index));
        }
        category
            .or_else(|| resource_type(coding))
            .ok_or(NotGranted::UnknownClass(index))
    };
    let named: Vec<&str> = codings
        .iter()
        .enumerate()
        .map(class)
        .collect::<Result<_, _>>()?;
    let classes = if named.is_empty() {
        ALL_CLASSES.to_vec()
    } else {
        named
    };
    let of_levels = |class: &str| match levels {
        [] => vec![class_word(class, None)],
        levels => levels
            .iter()
            .map(|level| class_word(class, Some(*level)))
            .collect(),
    };
    let mut all: Vec<String> = classes.into_iter().flat_map(of_levels).collect();
    all.sort_unstable();
    all.dedup();
    bounded("kinds of data with their levels", MAX_WORDS, all)
}

fn resource_type(coding: &Coding) -> Option<&'static str> {
    let code = coding
        .code
        .as_deref()
        .filter(|_| coding.system.as_deref() == Some(words::RESOURCE_TYPES));
    code.and_then(crate::import::resource_type)
}

/// The word of a category of GB/T 39725.
fn category(coding: &Coding) -> Option<&'static str> {
    let mut words = Category::ALL.into_iter().map(Category::as_str);
    words.find(|word| coding.is(CATEGORIES, word))
}
