//! The consents of a list: which of them stand, and who can end them.
//!
//! What always holds: a patient is told that a consent can be ended by card only where the opened card or
//! the patient's own approval gives the ender that stands on the ledger: nobody but the patient has its key.

use crate::access_list::Said;
use crate::import::time::instant;
use medanchor_ledger::{ConsentHandle, ParticipantName, Time};
use serde_json::{Value as Json, json};

/// A consent or delegation of the list's quarters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConsent {
    /// What the ledger calls it.
    pub consent: ConsentHandle,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
    /// What the patient ends so that this ends, without the institution: the consent itself or, where
    /// that cannot be, the first one of its chain. None if the institution alone can.
    pub patient_ends: Option<ConsentHandle>,
    /// How it ended before its time, if it did.
    pub ended: Option<Ended>,
}

/// The end of a consent, or of the first one of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The time of the block.
    pub time: Time,
    /// Who anchored it.
    pub by: ParticipantName,
    /// Whether the patient's key signed the end; otherwise it is the institution's revocation.
    pub by_patient: bool,
}

impl ListedConsent {
    /// Who can end it, or how it ended, in one sentence without its full stop.
    pub(super) fn said(&self, owner: &ParticipantName) -> Said {
        let Self { consent, .. } = self;
        let (from, until) = (instant(self.not_before), instant(self.not_after));
        let (en, zh) = match (&self.ended, &self.patient_ends) {
            (Some(ended), _) => said_ended(ended),
            (None, Some(own)) if own == consent => (
                "you can end it with your card, by any participant".to_owned(),
                "您可以用自己的卡经任何参与方终止".to_owned(),
            ),
            (None, Some(first)) => (
                format!(
                    "it ends with {first}, which you can end with your card, by any participant"
                ),
                format!("它随 {first} 终止，您可以用自己的卡经任何参与方终止后者"),
            ),
            (None, None) => (
                format!("{owner} alone can end it"),
                format!("只有 {owner} 能终止"),
            ),
        };
        Said {
            en: format!("consent {consent}, from {from} until {until}: {en}"),
            zh: format!("同意 {consent}，自 {from} 至 {until}：{zh}"),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        let ended = self.ended.as_ref().map(|ended| {
            json!({
                "time": instant(ended.time),
                "by": ended.by.as_str(),
                "by_patient": ended.by_patient,
            })
        });
        json!({
            "consent": self.consent.to_string(),
            "not_before": instant(self.not_before),
            "not_after": instant(self.not_after),
            "patient_ends": self.patient_ends.map(|own| own.to_string()),
            "ended": ended,
        })
    }
}

fn said_ended(ended: &Ended) -> (String, String) {
    let (time, by) = (instant(ended.time), &ended.by);
    match ended.by_patient {
        true => (
            format!("ended by the patient's key on {time}, anchored by {by}"),
            format!("已于 {time} 由患者的密钥终止，经 {by} 上链"),
        ),
        false => (
            format!("revoked by {by} on {time}"),
            format!("已于 {time} 由 {by} 撤回"),
        ),
    }
}
