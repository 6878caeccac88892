//! A custodian's answers while a record moves to the custodians of a new epoch.
//!
//! What always holds: a share is shared out only to the members that the ledger's newest set names,
//! under the keys that it names, and only for the owner of a record that an older set still holds; a new
//! share is taken only from custodians of that older set, each at its place; an old share is destroyed
//! only once the ledger says that the new set holds the record and each of its members has acknowledged.

use super::custodian::{Keeper, custodian_problem, refused};
use crate::http::problem::{Code, Problem};
use medanchor_ledger::event::{Custodians, Custody};
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Participant, Record};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{ParticipantName, RecordHandle};
use medanchor_sdk::custody::{Refused, ReshareAsk, read_messages, write_messages};
use medanchor_sdk::direct::Statement;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Acknowledgement, Body, Completed, Custodied, Member, Points, Resharing, Seat, ShareIndex,
    SharesDestroyed, Signed, SubDeal, SubTerms,
};

/// A record that is with an older set than the newest, as the ledger says.
struct Moving {
    record: Custodied,
    /// How the old set holds it.
    held: Custody,
    points: Points,
    new: Custodians,
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Malformed, detail.into())
}

/// The ledger, as this custodian's node has it, is not so far.
fn not_yet(detail: &str) -> Problem {
    Problem::of_custody("custody.not-moved", true, detail.into())
}

fn messages<T: Body>(statement: &Statement) -> Result<Vec<Signed<T>>, Problem> {
    read_messages(&statement.body).map_err(|error| malformed(error.to_string()))
}

impl Keeper {
    fn set(&self, epoch: u32) -> Result<Custodians, Problem> {
        let set: Option<CustodianSet> = self.value(&CustodianSet::key(epoch))?;
        Ok(set.ok_or_else(|| refused(Refused::NotHere))?.custodians)
    }

    /// What the ledger says of a record in custody that is not erased.
    fn held(
        &self,
        owner: &ParticipantName,
        record: RecordHandle,
    ) -> Result<(Custodied, Record, Custody), Problem> {
        let state: Option<Record> = self.value(&Record::key(owner, &record))?;
        let state = state.ok_or_else(|| not_yet("the ledger has no such record of yours"))?;
        if state.erased.is_some() {
            return Err(refused(Refused::Erased));
        }
        let custody = state.custody.clone();
        let custody = custody.ok_or_else(|| refused(Refused::NoCustody))?;
        let record = RecordVersion {
            network: self.sdk().network(),
            record,
            version: state.version,
        };
        let owner = owner.clone();
        Ok((Custodied { owner, record }, state, custody))
    }

    fn moving(&self, owner: &ParticipantName, record: RecordHandle) -> Result<Moving, Problem> {
        let (record, _, held) = self.held(owner, record)?;
        let epoch: Option<CustodianEpoch> = self.value(&CustodianEpoch::key())?;
        let epoch = epoch.ok_or_else(|| refused(Refused::NotHere))?.0;
        if epoch <= held.epoch() {
            return Err(not_yet("the newest custodians hold the record already"));
        }
        Ok(Moving {
            points: points_of(&held)?,
            new: self.set(epoch)?,
            record,
            held,
        })
    }

    /// The keys that a participant signs with.
    fn keys_of(&self, name: &ParticipantName) -> Result<Vec<PublicKey>, Problem> {
        let known: Option<Participant> = self.value(&Participant::key(name))?;
        Ok(known.iter().flat_map(Participant::keys).copied().collect())
    }

    /// The key that signed a message of `name`'s; any of its keys if none did, and then it is refused.
    fn signer<T: Body>(
        &self,
        name: &ParticipantName,
        message: Option<&Signed<T>>,
    ) -> Result<PublicKey, Problem> {
        let keys = self.keys_of(name)?;
        let signed = |key: &&PublicKey| message.is_some_and(|one| one.verify(key).is_ok());
        let key = keys.iter().find(signed).or_else(|| keys.first());
        key.copied()
            .ok_or_else(|| malformed(format!("the ledger has no keys of {name}")))
    }

    /// Shares this custodian's share out among the members of the newest set.
    pub(super) fn reshare(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let ask =
            ReshareAsk::decode(&statement.body).map_err(|error| malformed(error.to_string()))?;
        let moving = self.moving(&statement.from, ask.record)?;
        let members = members(&moving.new, &ask)?;
        let old = self.set(moving.held.epoch())?;
        let (from, _) = self.place(moving.held.epoch())?;
        let within = |place: &ShareIndex| usize::from(place.get()) <= old.members().len();
        let sound = ask.contributors.len() == moving.points.threshold()
            && ask.contributors.contains(&from.index)
            && ask.contributors.iter().all(within);
        if !sound {
            let detail =
                "the contributors are as many of the old set as it takes, this one among them";
            return Err(malformed(detail));
        }
        let resharing = Resharing {
            record: &moving.record,
            old: &moving.points,
            contributors: &ask.contributors,
            epoch: moving.new.epoch(),
            threshold: usize::from(moving.new.threshold()),
            members: &members,
        };
        let sign = |bytes: &[u8]| self.sdk().sign_for_custody(bytes);
        let deals = self.store().contribute(&resharing, &from, sign);
        Ok(write_messages(
            &deals.map_err(|error| custodian_problem(&error))?,
        ))
    }

    /// Puts a share of the newest epoch together from what old custodians contributed.
    pub(super) fn rejoin(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let deals: Vec<Signed<SubDeal>> = messages(statement)?;
        let first = deals.first().ok_or_else(|| malformed("there are none"))?;
        let record = first.says().terms.record.record.record;
        let moving = self.moving(&statement.from, record)?;
        let places = deals.iter().map(|deal| deal.says().terms.from.index);
        if deals.len() != moving.points.threshold() || !places.is_sorted_by(|a, b| a < b) {
            let detail = "it takes one sub-share of each contributor, in the order of their places";
            return Err(malformed(detail));
        }
        let old = self.set(moving.held.epoch())?;
        let mut keyed = Vec::with_capacity(deals.len());
        for deal in &deals {
            let terms = &deal.says().terms;
            if !is_from(terms, &moving, &old) {
                let detail =
                    "a sub-share is for another record, or not from a custodian that holds it";
                return Err(malformed(detail));
            }
            keyed.push((
                deal.clone(),
                self.signer(&terms.from.custodian, Some(deal))?,
            ));
        }
        let (place, threshold) = self.place(moving.new.epoch())?;
        let seat = Seat { place, threshold };
        let sign = |bytes: &[u8]| self.sdk().sign_for_custody(bytes);
        let accepted =
            (self.store()).accept_reshared(&moving.points, &keyed, &seat, self.key(), sign);
        match accepted {
            Ok(acknowledgement) => Ok(acknowledgement.encode()),
            Err(error) => {
                self.keep_evidence(&error);
                Err(custodian_problem(&error))
            }
        }
    }

    /// Destroys the shares of earlier epochs, once the ledger and every new member say that they have it.
    pub(super) fn retire(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let given: Vec<Signed<Acknowledgement>> = messages(statement)?;
        let first = given.first().ok_or_else(|| malformed("there are none"))?;
        let (says, owner) = (first.says(), &statement.from);
        let (record, state, held) = self.held(owner, says.record.record.record)?;
        if says.record != record || held.epoch() < says.place.epoch || held.epoch() == 1 {
            let detail =
                "the ledger does not say that these custodians hold the record's newest version";
            return Err(not_yet(detail));
        }
        let set = self.set(held.epoch())?;
        if given.len() != set.members().len() {
            return Err(malformed(
                "it takes one acknowledgement of each new custodian",
            ));
        }
        let mut members = Vec::new();
        for member in set.members() {
            let name = &member.name;
            let theirs = given.iter().find(|one| one.says().place.custodian == *name);
            members.push((name.clone(), self.signer(name, theirs)?));
        }
        let points = points_of(&held)?;
        let completed = Completed::new(&record, held.epoch(), &points, &members, &given)
            .map_err(|error| malformed(error.to_string()))?;
        let shares = self.store().retire(&completed);
        let says = SharesDestroyed {
            first_version: record.record.version,
            record,
            custodian: self.sdk().participant().clone(),
            epoch: held.epoch() - 1,
            event: state.newest().event,
            shares: shares.map_err(|error| custodian_problem(&error))?,
        };
        Ok(Signed::new(says, |bytes| self.sdk().sign_for_custody(bytes)).encode())
    }
}

fn points_of(custody: &Custody) -> Result<Points, Problem> {
    Points::of_custody(custody).map_err(|error| Problem::new(Code::Internal, error.to_string()))
}

/// The members of a set, each with the key that was given for it, which the ledger must name.
fn members(set: &Custodians, ask: &ReshareAsk) -> Result<Vec<Member>, Problem> {
    let same = set.members().len() == ask.keys.len()
        && (set.members().iter().zip(&ask.keys))
            .all(|(member, key)| member.share_key == key.reader_key());
    if !same {
        let detail = "the share keys are not those of the ledger's newest custodians; get their entries anew";
        return Err(malformed(detail));
    }
    let members = set.members().iter().zip(&ask.keys);
    Ok(members
        .map(|(member, key)| Member {
            name: member.name.clone(),
            key: key.clone(),
        })
        .collect())
}

/// Whether a contribution is of this move, from a custodian of the old set at its place.
fn is_from(terms: &SubTerms, moving: &Moving, old: &Custodians) -> bool {
    let place = old.find(&terms.from.custodian).map(|(place, _)| place);
    terms.record == moving.record
        && terms.from.epoch == moving.held.epoch()
        && place == Some(u16::from(terms.from.index.get()))
}
