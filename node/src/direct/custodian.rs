//! A custodian's answers: shares taken, released and destroyed.
//!
//! What always holds: a share is taken only at the place that the ledger's current set gives this
//! custodian; it is released only after the ledger, proved and fresh, says that the access stands, only
//! once that release is logged, and not before the log was found to go on from what the ledger has of
//! it; two requests for the store wait for each other, and nobody who reads the log holds them up.

use super::evidence::{EvidenceFolder, keep_proved};
use super::learning::{Learning, TOO_MANY_UNANCHORED, knows};
use super::reply::Reply;
use super::router::Answers;
use super::seat::LastSeat;
use super::senders::Senders;
use crate::http::problem::{Code, Problem};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Record, StateValue};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{ParticipantName, RecordHandle, Time, TlsKeyHash};
use medanchor_sdk::Sdk;
use medanchor_sdk::custody::{
    OTHER_SHARE, Refused, ReleaseAsk, Standing, StandingError, Terms, UNFIT_SUB_SHARE,
    read_messages, write_messages,
};
use medanchor_sdk::direct::{Ask, Statement};
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Acknowledgement, Custodian, CustodianError, Custodied, Deal, MessageError, OpeningKey,
    Permitted, Place, Points, ReshareError, ShareError, ShareIndex, SharesDestroyed, Signed,
};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A custodian at work.
pub struct Keeper {
    sdk: Arc<Sdk>,
    pub(super) genesis: Genesis,
    store: Mutex<Custodian>,
    pub(super) last_seat: LastSeat,
    /// Whether the log was found to go on from what is anchored of it.
    pub(super) compared: AtomicBool,
    senders: Senders,
    pub(super) learning: Learning,
    key: OpeningKey,
    terms: Terms,
    evidence: EvidenceFolder,
}

/// A refusal on what the ledger says.
pub(super) fn refused(refused: Refused) -> Problem {
    Problem::of_custody(
        refused.code(),
        refused.may_pass_later(),
        refused.to_string(),
    )
}

/// It is not known how an access stands.
pub(super) fn unknown(error: &StandingError) -> Problem {
    match error {
        StandingError::Refused(reason) => refused(*reason),
        other => Problem::of_custody("custody.ledger-unreachable", true, other.to_string()),
    }
}

/// What the ledger has under a key, and the time of the block that says so; no older than the terms allow.
pub(super) fn proved<V: StateValue>(
    sdk: &Sdk,
    terms: &Terms,
    key: &StateKey,
) -> Result<(Time, Option<V>), Problem> {
    let lost = |why: String| Problem::of_custody("custody.ledger-unreachable", true, why);
    let proved = sdk
        .client()
        .state_within(key, terms.freshness)
        .map_err(|error| lost(format!("the ledger cannot be asked: {error}")))?;
    let state = proved.proved();
    if sdk.now().0.abs_diff(state.time.0) > terms.freshness {
        return Err(refused(Refused::Stale));
    }
    let value = state.value.as_deref().map(V::decode).transpose();
    let value =
        value.map_err(|_| lost("the ledger holds what this release does not understand".into()));
    Ok((state.time, value?))
}

fn malformed(error: &MessageError) -> Problem {
    Problem::new(Code::Malformed, error.to_string())
}

pub(super) fn custodian_problem(error: &CustodianError) -> Problem {
    match error {
        CustodianError::Log(_)
        | CustodianError::Key(_)
        | CustodianError::Deals(_)
        | CustodianError::NoRoot
        | CustodianError::Share(ShareError::Slots(_)) => {
            // What the system says may name paths.
            tracing::error!(%error, "the custodian's store cannot be used");
            Problem::new(
                Code::Storage,
                "the custodian's store cannot be used; tell its operator",
            )
        }
        CustodianError::TooManyUnanchored { .. } => {
            Problem::of_custody(TOO_MANY_UNANCHORED, true, error.to_string())
        }
        CustodianError::Share(ShareError::NotHeld) => refused(Refused::NotHere),
        CustodianError::Share(ShareError::Erased) => refused(Refused::Erased),
        CustodianError::Share(ShareError::Other) => {
            Problem::of_custody(OTHER_SHARE, false, error.to_string())
        }
        CustodianError::Reshare(ReshareError::Unfit { .. }) => {
            Problem::of_custody(UNFIT_SUB_SHARE, false, error.to_string())
        }
        other => Problem::new(Code::Malformed, other.to_string()),
    }
}

impl Keeper {
    /// A custodian with an open store.
    #[must_use]
    pub fn new(
        sdk: Arc<Sdk>,
        genesis: Genesis,
        store: Custodian,
        key: OpeningKey,
        terms: Terms,
    ) -> Self {
        Self {
            evidence: EvidenceFolder::new(sdk.folder().join("evidence")),
            sdk,
            genesis,
            store: Mutex::new(store),
            last_seat: LastSeat::default(),
            compared: AtomicBool::new(false),
            senders: Senders::default(),
            learning: Learning::default(),
            key,
            terms,
        }
    }

    pub(super) const fn sdk(&self) -> &Arc<Sdk> {
        &self.sdk
    }

    pub(super) const fn key(&self) -> &OpeningKey {
        &self.key
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Custodian> {
        // The store writes before it says that it has; a panic elsewhere spoils nothing.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn value<V: StateValue>(&self, key: &StateKey) -> Result<Option<V>, Problem> {
        Ok(self.proved(key)?.1)
    }

    /// How old a proof may be, in milliseconds.
    pub(super) const fn freshness(&self) -> u64 {
        self.terms.freshness
    }

    pub(super) fn proved<V: StateValue>(
        &self,
        key: &StateKey,
    ) -> Result<(Time, Option<V>), Problem> {
        proved(&self.sdk, &self.terms, key)
    }

    /// This custodian's place in the set of an epoch.
    pub(super) fn place(&self, epoch: u32) -> Result<(Place, usize), Problem> {
        let set: Option<CustodianSet> = self.value(&CustodianSet::key(epoch))?;
        let set = set.ok_or_else(|| refused(Refused::NotHere))?.custodians;
        let found = set.find(self.sdk.participant());
        let place = found.and_then(|(place, _)| ShareIndex::new(u8::try_from(place).ok()?));
        let place = Place {
            custodian: self.sdk.participant().clone(),
            epoch,
            index: place.ok_or_else(|| refused(Refused::NotHere))?,
        };
        Ok((place, usize::from(set.threshold())))
    }

    fn deal(&self, statement: &Statement, dealer: &PublicKey) -> Result<Vec<u8>, Problem> {
        let deal = Signed::decode(&statement.body).map_err(|error| malformed(&error))?;
        let accepted = self.accept(&statement.from, &[deal], dealer)?;
        let acknowledged = accepted.first().map(Signed::encode);
        // One deal gives one.
        acknowledged.ok_or_else(|| refused(Refused::NotHere))
    }

    fn deals(&self, statement: &Statement, dealer: &PublicKey) -> Result<Vec<u8>, Problem> {
        let deals = read_messages(&statement.body).map_err(|error| malformed(&error))?;
        let accepted = self.accept(&statement.from, &deals, dealer)?;
        Ok(write_messages(&accepted))
    }

    /// Takes an owner's deals, all or none. Shares that were destroyed are not taken again, whatever the
    /// ledger says meanwhile: the store knows them as erased.
    fn accept(
        &self,
        owner: &ParticipantName,
        deals: &[Signed<Deal>],
        dealer: &PublicKey,
    ) -> Result<Vec<Signed<Acknowledgement>>, Problem> {
        if deals.iter().any(|deal| deal.says().record.owner != *owner) {
            let detail = "a deal is handed over by the owner that signed it";
            return Err(Problem::new(Code::Malformed, detail));
        }
        // The store refuses deals of two epochs.
        let epoch = deals.first().map(|deal| deal.says().place.epoch);
        let none = || Problem::new(Code::Malformed, "there are no deals");
        let seat = self.seat(epoch.ok_or_else(none)?)?;
        self.learn(owner, deals.len());
        let sign = |bytes: &[u8]| self.sdk.sign_for_custody(bytes);
        let accepted = (self.store()).accept_all(deals, dealer, &seat, &self.key, sign);
        accepted.map_err(|error| {
            self.keep_evidence(&error);
            custodian_problem(&error)
        })
    }

    /// What convicts a dealer or a contributor is kept, whatever becomes of the connection.
    pub(super) fn keep_evidence(&self, error: &CustodianError) {
        if let CustodianError::BadDeal {
            evidence: Some(evidence),
        }
        | CustodianError::Reshare(ReshareError::Unfit {
            evidence: Some(evidence),
            ..
        }) = error
        {
            let (kept, path) = match self.evidence.keep(evidence) {
                Ok(Some(kept)) => kept,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "evidence against a dealer is not kept");
                    return;
                }
            };
            // With what the ledger says, it convinces others than those who follow the ledger.
            match self.sdk.evidence_file(kept) {
                Ok(file) => keep_proved(&path, &file.encode()),
                Err(error) => tracing::error!(%error, "evidence is without its proofs"),
            }
        }
    }

    fn release(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let ask = ReleaseAsk::decode(&statement.body)
            .map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
        self.compare()?;
        let access = ask.access(&statement.from);
        let standing = Standing::fetch_by(self.sdk.client(), &access, &self.terms);
        let standing = standing.map_err(|error| unknown(&error))?;
        let custody = standing.state.custody.as_ref();
        let custody = custody.ok_or_else(|| refused(Refused::NoCustody))?;
        let (place, _) = self.place(custody.epoch())?;
        let points = Points::of_custody(custody)
            .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        let permitted = Permitted {
            request: standing.event,
            record: self.custodied(&standing),
            place,
            points,
            reader: standing.reader,
        };
        let sign = |bytes: &[u8]| self.sdk.sign_for_custody(bytes);
        let mut store = self.store();
        // Judged last, once nothing is waited for any more: nodes may be slow, and others come first.
        let now = self.sdk.now();
        standing
            .judge(&ask.reader.reader_key(), now, &self.terms)
            .map_err(refused)?;
        let known = (standing.record, standing.state.version);
        knows(&mut store, &standing.owner, &[known]);
        store
            .release(&permitted, &ask.reader, now, sign)
            .map(|answer| answer.encode())
            .map_err(|error| custodian_problem(&error))
    }

    fn custodied(&self, standing: &Standing) -> Custodied {
        Custodied {
            owner: standing.owner.clone(),
            record: RecordVersion {
                network: self.sdk.network(),
                record: standing.record,
                version: standing.state.version,
            },
        }
    }

    /// Destroys every share of a record that its owner erased on the ledger; the answer is signed.
    fn erase(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let handle: [u8; 16] = statement.body.as_slice().try_into().map_err(|_| {
            Problem::new(Code::Malformed, "the body is the record's handle, 16 bytes")
        })?;
        let record = RecordHandle::new(handle);
        let state: Option<Record> = self.value(&Record::key(&statement.from, &record))?;
        let state = state.ok_or_else(|| refused(Refused::UnknownRequest))?;
        let erased = state.erased.ok_or_else(|| {
            let detail = "the ledger does not say that the record is erased; anchor that first";
            Problem::of_custody("custody.not-erased", true, detail.into())
        })?;
        // Shares of an epoch that no event names yet, of a move that was cut off, are among them.
        let epoch: Option<CustodianEpoch> = self.value(&CustodianEpoch::key())?;
        let epoch = epoch.ok_or_else(|| refused(Refused::NotHere))?.0;
        let record = Custodied {
            owner: statement.from.clone(),
            record: RecordVersion {
                network: self.sdk.network(),
                record,
                version: state.version,
            },
        };
        let mut store = self.store();
        let known = (record.record.record, record.record.version);
        knows(&mut store, &record.owner, &[known]);
        let shares =
            (store.erase_record(&record, epoch)).map_err(|error| custodian_problem(&error))?;
        drop(store);
        let says = SharesDestroyed {
            record,
            first_version: 1,
            custodian: self.sdk.participant().clone(),
            epoch,
            event: erased.by.event,
            shares,
        };
        Ok(Signed::new(says, |bytes| self.sdk.sign_for_custody(bytes)).encode())
    }
}

impl Answers for Keeper {
    const ASKS: &'static [Ask] = &[
        Ask::Deal,
        Ask::Deals,
        Ask::Release,
        Ask::Erase,
        Ask::Reshare,
        Ask::Rejoin,
        Ask::Retire,
        Ask::ReleaseLog,
    ];

    fn answer(&self, ask: Ask, statement: &[u8], channel: TlsKeyHash) -> Result<Reply, Problem> {
        let here = (&*self.sdk, &self.genesis, &self.terms);
        let (statement, key) = self.senders.statement(here, ask, statement, channel)?;
        let answer = match ask {
            Ask::Deal => self.deal(&statement, &key),
            Ask::Deals => self.deals(&statement, &key),
            Ask::Erase => self.erase(&statement),
            Ask::Reshare => self.reshare(&statement),
            Ask::Rejoin => self.rejoin(&statement),
            Ask::Retire => self.retire(&statement),
            Ask::ReleaseLog => self.release_log(&statement),
            _ => self.release(&statement),
        };
        answer.map(Reply::from)
    }
}
