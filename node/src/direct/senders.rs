//! Under which keys statements count: those that the ledger, proved and fresh, names for their senders.
//!
//! What always holds: no key is judged by a proof that is older than the terms allow, and while nodes
//! answer by none that was asked for more than a twelfth of that ago; a name that is in no genesis costs no
//! question to a node.

use super::custodian::proved;
use crate::http::problem::{Code, Problem};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::Participant;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{KeyId, ParticipantName, Time, TlsKeyHash};
use medanchor_sdk::Sdk;
use medanchor_sdk::custody::Terms;
use medanchor_sdk::direct::{Ask, Expected, Statement};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long at least an unknown key of one participant is not asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// A participant, as it was proved.
struct Proved {
    /// The time of the block that says so.
    time: Time,
    asked: Instant,
    participant: Option<Participant>,
}

impl Proved {
    /// The key of this name, if it is the participant's.
    fn registered(&self, id: &KeyId) -> Option<PublicKey> {
        self.participant.as_ref()?.registered(id).copied()
    }
}

/// The senders of statements that a service was asked by, of the participants that genesis names.
#[derive(Default)]
pub(super) struct Senders(Mutex<BTreeMap<ParticipantName, Proved>>);

impl Senders {
    /// A statement that was made for this service, over this channel, by a key that is registered now.
    pub(super) fn statement(
        &self,
        (sdk, genesis, terms): (&Sdk, &Genesis, &Terms),
        ask: Ask,
        bytes: &[u8],
        channel: TlsKeyHash,
    ) -> Result<(Statement, PublicKey), Problem> {
        let expected = Expected {
            network: sdk.network(),
            to: sdk.participant(),
            channel,
            now: sdk.now(),
            ask,
        };
        let mut lost = None;
        let key_of = |name: &ParticipantName, id: &KeyId| {
            // No event makes a participant.
            genesis.spec().participants.get(name)?;
            self.key(sdk, terms, name, id).unwrap_or_else(|problem| {
                lost = Some(problem);
                None
            })
        };
        let verified = Statement::verify(bytes, &expected, key_of);
        match lost {
            Some(problem) => Err(problem),
            None => verified.map_err(|e| Problem::new(Code::BadSignature, e.to_string())),
        }
    }

    fn key(
        &self,
        sdk: &Sdk,
        terms: &Terms,
        name: &ParticipantName,
        id: &KeyId,
    ) -> Result<Option<PublicKey>, Problem> {
        if let Some(known) = self.known(sdk.now(), terms, name, id) {
            return Ok(known);
        }
        let asked = Instant::now();
        let (time, participant) = proved::<Participant>(sdk, terms, &Participant::key(name))?;
        let new = Proved {
            time,
            asked,
            participant,
        };
        let found = new.registered(id);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two that asked at once may come back in any order.
        match all.get(name).is_some_and(|old| old.time > time) {
            true => {}
            false => drop(all.insert(name.clone(), new)),
        }
        Ok(found)
    }

    /// What is known without asking: the key, or that it was not registered a moment ago.
    fn known(
        &self,
        now: Time,
        terms: &Terms,
        name: &ParticipantName,
        id: &KeyId,
    ) -> Option<Option<PublicKey>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(name)?;
        let fresh = now.0.abs_diff(known.time.0) <= terms.freshness;
        let life = Duration::from_millis(terms.freshness / 12);
        let key = known.registered(id);
        let serves = match key {
            Some(_) => known.asked.elapsed() < life,
            None => known.asked.elapsed() < life.min(AGAIN),
        };
        (fresh && serves).then_some(key)
    }
}
