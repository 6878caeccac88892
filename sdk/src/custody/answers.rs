//! How custodians answered a read, sorted as the answers come.
//!
//! What always holds: an answer counts as good only if its custodian signed it, for this request and place,
//! and the ledger's points bear out its share.

use super::circle::Seat;
use crate::direct::LinkError;
use medanchor_ledger::ParticipantName;
use medanchor_vault::custody::{
    Fault, Faults, OpeningKey, Release, Signed, VaultRelease, Wanted, Wrong, check,
};

/// A signed answer that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrongAnswer {
    /// A custodian's, and what is wrong with it.
    Custodian(Box<Signed<Release>>, Wrong),
    /// The owner's: another part of the key than it anchored.
    Owner(Box<Signed<VaultRelease>>),
}

/// Why a custodian gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// What happened, in words.
    pub why: String,
    /// Whether it could not be reached, or may answer later, rather than refused for good or was not asked.
    pub unreachable: bool,
}

impl Silence {
    pub(super) fn of(error: &LinkError) -> Self {
        Self {
            why: error.to_string(),
            unreachable: error.may_pass_later(),
        }
    }
}

impl From<String> for Silence {
    fn from(why: String) -> Self {
        Self {
            why,
            unreachable: false,
        }
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// How custodians answered one request.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Answers that are right, as they were signed: two different ones of one custodian to one request
    /// convict it.
    pub good: Vec<Signed<Release>>,
    /// Custodians whose answers were wrong.
    pub faults: Faults,
    /// These answers.
    pub wrong: Vec<WrongAnswer>,
    /// Custodians that gave no answer, and why.
    pub silent: Vec<(ParticipantName, Silence)>,
    /// Custodians that had not answered when enough others had.
    pub late: Vec<ParticipantName>,
}

impl Answers {
    /// Takes the answer of the custodian at a seat.
    pub(super) fn take(
        &mut self,
        (place, seat): (usize, &Seat),
        answer: Signed<Release>,
        wanted: &mut Wanted,
        key: &OpeningKey,
    ) {
        let signer = seat.keys.iter().find(|key| answer.verify(key).is_ok());
        if let (Some((_, known)), Some(signer)) = (wanted.custodians.get_mut(place), signer) {
            *known = *signer;
        }
        let custodian = &seat.custodian.name;
        let checked = match answer.says().place.custodian == *custodian {
            true => check(wanted, key, &answer),
            false => Err(Wrong::OtherPlace),
        };
        match checked {
            Ok(()) => self.good.push(answer),
            Err(wrong) => {
                self.faults.0.push(Fault {
                    answer: self.wrong.len(),
                    custodian: custodian.clone(),
                    wrong,
                });
                let answer = Box::new(answer);
                self.wrong.push(WrongAnswer::Custodian(answer, wrong));
            }
        }
    }
}
