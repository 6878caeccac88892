//! The list of accesses with the fields that the European Health Data Space asks for (Regulation
//! 2025/327, article 9 and annex II 3.2): who, which individual, which categories, when, from where,
//! and emergencies marked (article 11(5)).

use crate::access_list::{
    AccessEntry, AccessList, Basis, Delegate, Gap, GapOf, Quarter, Said, limits, quarter_name,
};
use crate::import::time::instant;
use medanchor_ledger::rules::Decision;
use serde::Serialize;

/// One access. A field whose value was not disclosed is absent, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsAccess {
    /// The healthcare provider or other institution that accessed.
    pub provider: String,
    /// The individual who accessed, where the provider disclosed them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub individual: Option<String>,
    /// The category of electronic health data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Date and time, in UTC. With basis `emergency` the time by which it was opened.
    pub time: String,
    /// With basis `emergency`: the time from which on it may have been opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_since: Option<String>,
    /// With basis `emergency`: the time at which the origin claims to have opened it, which nothing proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_time: Option<String>,
    /// The origin of the data: who keeps it.
    pub origin: String,
    /// For what, in HL7's PurposeOfUse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// `consent`, `break-glass` or `emergency`.
    pub basis: &'static str,
    /// `permitted`, or the code of the denial.
    pub decision: &'static str,
    /// Whether it was an emergency.
    pub emergency: bool,
    /// Whether the consent was given with a key that the institution holds, and nothing that the patient
    /// approved stands behind it.
    pub held_key: bool,
    /// Who granted the consent for the patient, where that rests on a delegation that the patient approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegate: Option<EhdsDelegate>,
    /// The event on the ledger.
    pub event: String,
}

/// Who decides for a patient by the patient's own approval. That the delegate wanted a consent is the word of
/// the institution that keeps the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsDelegate {
    /// As the patient calls them.
    pub name: String,
    /// The institution's own id of them.
    pub id: String,
    /// `parent`, `guardian` or `proxy`.
    pub relation: &'static str,
    /// What the ledger calls the delegation.
    pub delegation: String,
    /// Since when it is on the ledger, in UTC.
    pub since: String,
}

/// The whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsList {
    /// The accesses, the first first.
    pub accesses: Vec<EhdsAccess>,
    /// How many, and up to when.
    pub claim: Said,
    /// That it is not complete, or is old: to be shown first.
    pub warnings: Vec<Said>,
    /// The time up to which the list is complete, in UTC.
    pub complete_until: String,
    /// The size of the log at that time.
    pub log_size: u64,
    /// Whether it has every access; false with some of the gaps.
    pub whole: bool,
    /// Whether that time was too long ago when the list was made.
    pub stale: bool,
    /// How long ago, in milliseconds.
    pub age_ms: u64,
    /// The quarters that were asked for.
    pub quarters: Vec<EhdsQuarter>,
    /// Where it is not complete.
    pub gaps: Vec<EhdsGap>,
    /// What it cannot say.
    pub limits: Vec<Said>,
}

/// A quarter of a year: of records that were sealed in it, what was proved, or why nothing was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsQuarter {
    /// Such as `2026-Q1`.
    pub quarter: String,
    /// Exactly how many events there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Up to this height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// The time of that height's block, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The size of the log at the checkpoint that the proof rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_size: Option<u64>,
    /// Why nothing was proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A time of which the list is not proved to be complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsGap {
    /// From when, in UTC.
    pub from: String,
    /// Until when, in UTC; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The reason's code.
    pub code: &'static str,
    /// Why.
    pub why: String,
    /// Why, in Chinese.
    pub why_zh: &'static str,
    /// The first and the last quarter that it is about: of records that were sealed then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarters: Option<[String; 2]>,
    /// The record that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// That record's address at its owner, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// How many entries of the origin's emergency journal are lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
}

impl AccessList {
    /// The fields that EHDS article 9 asks for, with all that the list claims and does not prove.
    #[must_use]
    pub fn to_ehds(&self) -> EhdsList {
        EhdsList {
            accesses: self.entries.iter().map(access).collect(),
            claim: self.claim(),
            warnings: self.warnings(),
            complete_until: instant(self.until),
            log_size: self.size.0,
            whole: self.is_whole(),
            stale: self.is_stale(),
            age_ms: self.age,
            quarters: self.quarters.iter().map(quarter).collect(),
            gaps: self.gaps.iter().map(gap).collect(),
            limits: limits().into(),
        }
    }
}

fn quarter(quarter: &Quarter) -> EhdsQuarter {
    let proof = quarter.proved.as_ref().ok();
    EhdsQuarter {
        quarter: quarter_name(quarter.epoch),
        events: proof.map(|proof| proof.count),
        height: proof.map(|proof| proof.height.0),
        time: proof.map(|proof| instant(proof.time)),
        log_size: proof.map(|proof| proof.size.0),
        error: quarter.proved.as_ref().err().cloned(),
    }
}

fn gap(gap: &Gap) -> EhdsGap {
    let (mut quarters, mut of, mut address, mut entries) = (None, None, None, None);
    match &gap.of {
        Some(GapOf::Quarters { first, last }) => {
            quarters = Some([*first, *last].map(quarter_name));
        }
        Some(GapOf::Record { record, document }) => {
            of = Some(record.to_string());
            address.clone_from(document);
        }
        Some(GapOf::Entries(count)) => entries = Some(*count),
        None => {}
    }
    EhdsGap {
        from: instant(gap.from),
        until: gap.until.map(instant),
        code: gap.why.code(),
        why: gap.why.to_string(),
        why_zh: gap.why.zh(),
        quarters,
        record: of,
        document: address,
        entries,
    }
}

fn access(entry: &AccessEntry) -> EhdsAccess {
    let person = entry.person.as_ref();
    let window = match entry.basis {
        Basis::Emergency { since, claimed } => Some((instant(since), instant(claimed))),
        _ => None,
    };
    let (opened_since, claimed_time) = window.unzip();
    EhdsAccess {
        provider: entry.by.to_string(),
        individual: person.map(|person| person.name.as_ref().unwrap_or(&person.id).clone()),
        category: entry.category.clone(),
        time: instant(entry.time),
        opened_since,
        claimed_time,
        origin: entry.owner.to_string(),
        purpose: entry.purpose().map(str::to_owned),
        basis: match entry.basis {
            Basis::Consent { .. } => "consent",
            Basis::BreakGlass(_) => "break-glass",
            Basis::Emergency { .. } => "emergency",
        },
        decision: match entry.decision {
            Decision::Permitted => "permitted",
            Decision::Denied(reason) => reason.as_str(),
        },
        emergency: entry.is_emergency(),
        held_key: entry.is_by_held_key(),
        delegate: entry.delegate().map(delegate),
        event: entry.event.to_string(),
    }
}

fn delegate(by: &Delegate) -> EhdsDelegate {
    EhdsDelegate {
        name: by.name.clone(),
        id: by.id.clone(),
        relation: by.relation.as_str(),
        delegation: by.delegation.to_string(),
        since: instant(by.since),
    }
}
