//! The consents of a list: which of them stand, and who can end them.
//!
//! What always holds: a patient is told that a consent can be ended by card only where the opened card or
//! the patient's own approval gives the ender that stands on the ledger: nobody but the patient has its key.
//! That the institution alone can end one is said only where no key could; where the list does not know,
//! it says so.

use crate::access_list::{Said, quarter_name};
use crate::import::time::instant;
use medanchor_ledger::{ConsentHandle, ParticipantName, Time};
use medanchor_vault::Epoch;
use serde_json::{Value as Json, json};

/// A consent or delegation of the list's quarters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConsent {
    /// What the ledger calls it.
    pub consent: ConsentHandle,
    /// The first consent of the chain, where it continues one: it ends with that one, too.
    pub root: Option<ConsentHandle>,
    /// Whether that one is of no quarter of the list, so that nothing is known of its end.
    pub root_unseen: bool,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
    /// Who can end it before its time.
    pub ending: Ending,
    /// How it ended before its time, if it did: the first of its own end and its root's.
    pub ended: Option<Ended>,
    /// Its re-issues for later quarters, in their order: the same consent for what is sealed in these.
    pub renewals: Vec<ListedRenewal>,
}

/// A re-issue of a consent, in the same words for one more quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedRenewal {
    /// The quarter whose records it covers.
    pub quarter: Epoch,
    /// What the ledger calls it: accesses to these records name it.
    pub consent: ConsentHandle,
}

/// Who can end a consent before its time, as far as the list can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The patient, without the institution.
    Patient {
        /// By ending the consent itself.
        own: bool,
        /// By ending the first one of its chain.
        root: bool,
    },
    /// Whoever has a key that is not of the opened card: another card of the patient's, or anybody.
    OtherKey,
    /// It has a key, or continues a consent that is not seen: neither card nor approval tells whose it is.
    Untold,
    /// The institution alone.
    Institution,
}

/// The end of a consent, or of the first one of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The time of the block.
    pub time: Time,
    /// Who anchored it.
    pub by: ParticipantName,
    /// Whose will it shows.
    pub how: EndedHow,
}

/// Whose will an end shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedHow {
    /// The institution revoked it.
    Revoked,
    /// The patient's key signed the end.
    ByPatient,
    /// The key that the grant names signed it. Nothing shows that it is the patient's.
    ByNamedKey,
}

/// A sentence in English and in Chinese.
type Words = (String, String);

impl ListedConsent {
    /// What the patient ends so that this ends, without the institution: the consent itself or, where
    /// that cannot be, the first one of its chain.
    #[must_use]
    pub const fn patient_ends(&self) -> Option<ConsentHandle> {
        match self.ending {
            Ending::Patient { own: true, .. } => Some(self.consent),
            Ending::Patient { root: true, .. } => self.root,
            _ => None,
        }
    }

    /// Who can end it, or how it ended, in one sentence without its full stop.
    pub(super) fn said(&self, owner: &ParticipantName) -> Said {
        let Self { consent, .. } = self;
        let (from, until) = (instant(self.not_before), instant(self.not_after));
        let (mut en, mut zh) = match &self.ended {
            Some(ended) => said_ended(ended),
            None => self.said_ending(owner),
        };
        if let Some(root) = self.root.filter(|_| self.root_unseen) {
            let (more_en, more_zh) = self.said_unseen(&root);
            en += &more_en;
            zh += &more_zh;
        }
        if !self.renewals.is_empty() {
            let (more_en, more_zh) = self.said_renewed();
            en += &more_en;
            zh += &more_zh;
        }
        Said {
            en: format!("consent {consent}, from {from} until {until}: {en}"),
            zh: format!("同意 {consent}，自 {from} 至 {until}：{zh}"),
        }
    }

    fn said_ending(&self, owner: &ParticipantName) -> Words {
        let first = self.root.unwrap_or(self.consent);
        match self.ending {
            Ending::Patient { own: true, root } => {
                let more = |words: String| if root { words } else { String::new() };
                let en = more(format!("; it continues {first}: end that one to end all"));
                let zh = more(format!("；它延续 {first}，终止后者则全部终止"));
                (
                    format!("you can end it with your card, by any participant{en}"),
                    format!("您可以用自己的卡经任何参与方终止{zh}"),
                )
            }
            Ending::Patient { .. } => (
                format!(
                    "it ends with {first}, which you can end with your card, by any participant"
                ),
                format!("它随 {first} 终止，您可以用自己的卡经任何参与方终止后者"),
            ),
            Ending::OtherKey => (
                format!(
                    "{owner} can end it, and you cannot with this card: the key that it names is another's"
                ),
                format!("{owner} 能终止；用这张卡不能终止：它所列的密钥属于别的卡或别人"),
            ),
            Ending::Untold => (
                format!("{owner} can end it; this list cannot tell who else can"),
                format!("{owner} 能终止；本清单无法说明还有谁能终止"),
            ),
            Ending::Institution => (
                format!("{owner} alone can end it"),
                format!("只有 {owner} 能终止"),
            ),
        }
    }

    fn said_unseen(&self, root: &ConsentHandle) -> Words {
        let (en, zh) = match self.ended {
            Some(_) => ("it may have ended earlier with that", "可能更早已随之终止"),
            None => (
                "whether it still stands this list cannot tell",
                "本清单无法说明它是否仍有效",
            ),
        };
        (
            format!("; it continues {root}, which is of no quarter of this list: {en}"),
            format!("；它延续 {root}，后者不在本清单的季度内：{zh}"),
        )
    }

    fn said_renewed(&self) -> Words {
        let each = self.renewals.iter();
        let each = each.map(|one| (quarter_name(one.quarter), one.consent));
        let each: Vec<_> = each.collect();
        let said = |as_what: &str| -> Vec<String> {
            let said = each
                .iter()
                .map(|(quarter, consent)| format!("{quarter}{as_what}{consent}"));
            said.collect()
        };
        (
            format!("; renewed for {}", said(" as ").join(", ")),
            format!("；已续发：{}", said(" 为 ").join("、")),
        )
    }

    pub(super) fn to_json(&self) -> Json {
        let renewals = self.renewals.iter().map(|one| {
            json!({ "quarter": quarter_name(one.quarter), "consent": one.consent.to_string() })
        });
        let ended = self.ended.as_ref().map(|ended| {
            json!({
                "time": instant(ended.time),
                "by": ended.by.as_str(),
                "by_patient": ended.how == EndedHow::ByPatient,
                "revoked": ended.how == EndedHow::Revoked,
            })
        });
        json!({
            "consent": self.consent.to_string(),
            "root": self.root.map(|root| root.to_string()),
            "root_unseen": self.root_unseen,
            "not_before": instant(self.not_before),
            "not_after": instant(self.not_after),
            "who_ends": self.ending.word(),
            "patient_ends": self.patient_ends().map(|own| own.to_string()),
            "ended": ended,
            "renewals": renewals.collect::<Vec<_>>(),
        })
    }
}

impl Ending {
    const fn word(self) -> &'static str {
        match self {
            Self::Patient { .. } => "patient",
            Self::OtherKey => "other-key",
            Self::Untold => "not-known",
            Self::Institution => "institution",
        }
    }
}

fn said_ended(ended: &Ended) -> Words {
    let (time, by) = (instant(ended.time), &ended.by);
    match ended.how {
        EndedHow::ByPatient => (
            format!("ended by the patient's key on {time}, anchored by {by}"),
            format!("已于 {time} 由患者的密钥终止，经 {by} 上链"),
        ),
        EndedHow::ByNamedKey => (
            format!(
                "ended by the key that its grant names on {time}, anchored by {by}; nothing here shows that the key is the patient's"
            ),
            format!("已于 {time} 由其所列的密钥终止，经 {by} 上链；此处没有证据表明该密钥属于患者"),
        ),
        EndedHow::Revoked => (
            format!("revoked by {by} on {time}"),
            format!("已于 {time} 由 {by} 撤回"),
        ),
    }
}
