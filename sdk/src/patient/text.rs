//! The list in words: a page that a patient can read, and JSON for programs.

use super::{ListedConsent, PatientHistory, Quarter};
use crate::access_list::{AccessEntry, Basis, Delegate, Gap, KeyHolder, Review, limits};
use crate::import::time::instant;
use medanchor_ledger::event::ErasureReason;
use medanchor_ledger::rules::Decision;
use medanchor_ledger::{ConsentHandle, ParticipantName};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

impl PatientHistory {
    /// The list as a page of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut page = self.head();
        for (number, entry) in (1..).zip(&self.list.entries) {
            page += &entry_words(number, entry, self);
        }
        page += &self.tail();
        page
    }

    fn head(&self) -> String {
        let list = &self.list;
        let mut head = format!("Who opened the records of {}\n", list.patient);
        let claim = list.claim();
        let _ = writeln!(head, "{}\n{}", claim.en, claim.zh);
        let waits = |entry: &&AccessEntry| matches!(entry.basis, Basis::BreakGlass(Review::Due(_)));
        match list.entries.iter().filter(waits).count() {
            0 => {}
            waiting => {
                let _ = writeln!(
                    head,
                    "Opened without a consent and NOT REVIEWED: {waiting}."
                );
            }
        }
        for warning in list.warnings() {
            let _ = writeln!(head, "{}\n{}", warning.en, warning.zh);
        }
        head
    }

    fn tail(&self) -> String {
        let mut tail = String::new();
        if !self.consents.is_empty() {
            tail += "\nConsents (同意):\n";
        }
        for consent in &self.consents {
            let said = consent.said(&self.owner);
            let _ = writeln!(tail, "  {}\n  {}", said.en, said.zh);
        }
        for erasure in &self.erasures {
            let what = erasure.document.clone();
            let what = what.unwrap_or_else(|| format!("record {}", erasure.record));
            let (when, why) = (instant(erasure.time), reason(erasure.reason));
            let _ = writeln!(tail, "\nErased: {what}, {when}, {why}.");
        }
        for gap in self.list.gaps.iter().map(Gap::said) {
            let _ = writeln!(tail, "\nGap: {}.\n缺口：{}。", gap.en, gap.zh);
        }
        for link in &self.unread {
            let _ = writeln!(
                tail,
                "\nNot shown: an event of kind {} is proved, and no node gave it: {}.",
                link.kind, link.anchored.event
            );
        }
        for event in &self.false_notes {
            let _ = writeln!(
                tail,
                "\nFALSE: what was disclosed about {event} is not what its request committed to. Keep it as evidence."
            );
        }
        tail += "\nProved by quarters of a year:\n";
        for quarter in self.list.quarters.iter().map(Quarter::said) {
            let _ = writeln!(tail, "  {}\n  {}", quarter.en, quarter.zh);
        }
        tail += "\nWhat this list cannot say (本清单不能说明):\n";
        for limit in limits() {
            let _ = writeln!(tail, "  {}\n  {}", limit.en, limit.zh);
        }
        tail
    }

    /// The list as JSON: all that the text says.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let ehds = self.list.to_ehds();
        let accesses = self.list.entries.iter().zip(&ehds.accesses);
        let accesses = accesses.map(|(entry, fields)| {
            let mut all = json!(fields);
            all["record"] = json!(entry.record.to_string());
            all["document"] = json!(entry.document);
            all["request"] = json!(entry.request.map(|request| request.to_string()));
            all["proof"] = json!({ "entry": entry.proved.index.0, "size": entry.proved.size.0 });
            match &entry.basis {
                Basis::Consent { consent, .. } => all["consent"] = json!(consent.to_string()),
                Basis::BreakGlass(review) => all["review"] = review_json(review),
                Basis::Emergency { .. } => {}
            }
            all
        });
        let erasures = self.erasures.iter().map(|erasure| {
            json!({
                "record": erasure.record.to_string(),
                "document": erasure.document,
                "time": instant(erasure.time),
                "reason": reason(erasure.reason),
                "proof": { "entry": erasure.proved.index.0, "size": erasure.proved.size.0 },
            })
        });
        let unread = self
            .unread
            .iter()
            .map(|link| link.anchored.event.to_string());
        json!({
            "patient": self.list.patient,
            "network": self.list.network.to_string(),
            "claim": ehds.claim,
            "warnings": ehds.warnings,
            "complete_until": ehds.complete_until,
            "log_size": ehds.log_size,
            "age_ms": ehds.age_ms,
            "stale": ehds.stale,
            "whole": ehds.whole,
            "accesses": accesses.collect::<Vec<_>>(),
            "consents": self.consents.iter().map(ListedConsent::to_json).collect::<Vec<_>>(),
            "erasures": erasures.collect::<Vec<_>>(),
            "gaps": ehds.gaps,
            "quarters": ehds.quarters,
            "limits": ehds.limits,
            "not_shown": unread.collect::<Vec<_>>(),
            "false_notes": self.false_notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn entry_words(number: usize, entry: &AccessEntry, history: &PatientHistory) -> String {
    let (time, by) = (instant(entry.time), &entry.by);
    let when = match entry.basis {
        Basis::Emergency { since, .. } => format!("between {} and {time}", instant(since)),
        _ => time,
    };
    let what = entry.document.clone();
    let what = what.unwrap_or_else(|| format!("record {}", entry.record));
    let class = entry
        .category
        .as_deref()
        .unwrap_or("kind of data not known");
    let did = match entry.decision {
        Decision::Permitted => "opened".to_owned(),
        Decision::Denied(reason) => format!("was DENIED ({}) to open", reason.as_str()),
    };
    let mut words = format!("\n{number}. {when}  {by} {did} {what} ({class})\n");
    let who = entry.person.as_ref().map_or_else(
        || format!("{by} has not disclosed"),
        |person| person.id.clone(),
    );
    let why = entry.purpose().unwrap_or("not known here");
    let _ = writeln!(words, "     who    {who}\n     why    {why}");
    let _ = writeln!(words, "     basis  {}", basis_words(entry, history));
    let _ = writeln!(
        words,
        "     proof  event {}, entry {} of {}",
        entry.event, entry.proved.index.0, entry.proved.size.0
    );
    words
}

fn basis_words(entry: &AccessEntry, history: &PatientHistory) -> String {
    match &entry.basis {
        Basis::Consent { consent, .. } if entry.is_by_held_key() => {
            let owner = &entry.owner;
            format!(
                "consent {consent}, given with a key that {owner} holds: it could have signed alone"
            )
        }
        Basis::Consent {
            consent,
            key: KeyHolder::Delegate(delegate),
        } => by_delegate(consent, delegate, &entry.owner),
        Basis::Consent { consent, .. } => format!("consent {consent}"),
        Basis::BreakGlass(Review::Due(due)) if history.list.until > *due => {
            format!(
                "NO CONSENT: glass broken, REVIEW OVERDUE since {}",
                instant(*due)
            )
        }
        Basis::BreakGlass(Review::Due(due)) => {
            format!(
                "NO CONSENT: glass broken, NOT REVIEWED, due {}",
                instant(*due)
            )
        }
        Basis::BreakGlass(Review::Done { justified, late }) => {
            let found = if *justified {
                "justified"
            } else {
                "NOT JUSTIFIED"
            };
            let late = if *late { ", reviewed LATE" } else { "" };
            format!("NO CONSENT: glass broken, found {found}{late}")
        }
        Basis::BreakGlass(Review::NotNeeded) => {
            "NO CONSENT: tried to break the glass, nothing was opened".into()
        }
        Basis::Emergency { claimed, .. } => {
            format!(
                "NO CONSENT: emergency key while the network was cut; {} claims that it was at {}, which nothing proves",
                entry.owner,
                instant(*claimed)
            )
        }
    }
}

fn by_delegate(consent: &ConsentHandle, by: &Delegate, owner: &ParticipantName) -> String {
    format!(
        "consent {consent}, granted by the delegate {} ({}, {}) under delegation {}, which the patient approved and which is on the ledger since {}; that the delegate wanted it is the word of {owner}",
        by.name,
        by.relation.as_str(),
        by.id,
        by.delegation,
        instant(by.since)
    )
}

const fn reason(reason: ErasureReason) -> &'static str {
    match reason {
        ErasureReason::SubjectRequest => "at the patient's request",
        ErasureReason::RetentionOver => "its time of keeping was over",
        ErasureReason::SealedInError => "it was sealed in error",
        ErasureReason::Order => "by order of an authority",
        _ => "for a reason that this version does not know",
    }
}

fn review_json(review: &Review) -> Json {
    match review {
        Review::Due(due) => json!({ "state": "due", "due": instant(*due) }),
        Review::Done { justified, late } => {
            let state = if *justified {
                "justified"
            } else {
                "not-justified"
            };
            json!({ "state": state, "late": late })
        }
        Review::NotNeeded => json!({ "state": "not-needed" }),
    }
}
