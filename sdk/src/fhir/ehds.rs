//! The list of accesses with the fields that the European Health Data Space asks for (Regulation
//! 2025/327, article 9 and annex II 3.2): who, which individual, which categories, when, from where,
//! and emergencies marked (article 11(5)).

use crate::access_list::{AccessEntry, AccessList, Basis};
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
    /// Date and time, in UTC.
    pub time: String,
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
    /// Whether the consent was given with a key that the institution holds.
    pub held_key: bool,
    /// The event on the ledger.
    pub event: String,
}

/// The whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsList {
    /// The accesses, the first first.
    pub accesses: Vec<EhdsAccess>,
    /// The time up to which the list is complete, in UTC.
    pub complete_until: String,
    /// The size of the log at that time.
    pub log_size: u64,
    /// Where it is not complete.
    pub gaps: Vec<EhdsGap>,
}

/// A time of which the list is not proved to be complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EhdsGap {
    /// From when, in UTC.
    pub from: String,
    /// Until when, in UTC; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why.
    pub why: String,
}

impl AccessList {
    /// The fields that EHDS article 9 asks for.
    #[must_use]
    pub fn to_ehds(&self) -> EhdsList {
        let gaps = self.gaps.iter().map(|gap| EhdsGap {
            from: instant(gap.from),
            until: gap.until.map(instant),
            why: gap.why.to_string(),
        });
        EhdsList {
            accesses: self.entries.iter().map(access).collect(),
            complete_until: instant(self.until),
            log_size: self.size.0,
            gaps: gaps.collect(),
        }
    }
}

fn access(entry: &AccessEntry) -> EhdsAccess {
    let person = entry.person.as_ref();
    EhdsAccess {
        provider: entry.by.to_string(),
        individual: person.map(|person| person.name.as_ref().unwrap_or(&person.id).clone()),
        category: entry.category.clone(),
        time: instant(entry.time),
        origin: entry.owner.to_string(),
        purpose: entry.purpose().map(str::to_owned),
        basis: match entry.basis {
            Basis::Consent { .. } => "consent",
            Basis::BreakGlass(_) => "break-glass",
            Basis::Emergency => "emergency",
        },
        decision: match entry.decision {
            Decision::Permitted => "permitted",
            Decision::Denied(reason) => reason.as_str(),
        },
        emergency: entry.is_emergency(),
        held_key: entry.is_by_held_key(),
        event: entry.event.to_string(),
    }
}
