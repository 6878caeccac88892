//! Gathering the validators' cosignatures of the checkpoints that this node computed.
//!
//! What always holds: a checkpoint is signed here only after its block was decided and synced
//! (the chain calls [`Cosigners::decided`] then and only then), and once for a size with one root,
//! for COSE receipts too; a record counts only with all three signatures, so that whoever holds a
//! quorum can make receipts of both forms;
//! no record is believed before its signatures were checked; those for sizes ahead of this node are
//! kept in bounded number for each validator and never replaced; a peer that sends a record for
//! a size whose quorum is complete is answered with the whole quorum, but once between two ticks,
//! so that two nodes never answer each other's answers for ever.

use crate::keys::SecretKey;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Added, Cosignature, CosignatureError, Gathering};
use medanchor_ledger::note::KeyName;
use medanchor_ledger::validator::ValidatorSet;
use medanchor_ledger::{ParticipantName, Size, Time};
use medanchor_network::PeerKey;
use std::collections::{BTreeMap, BTreeSet};

/// The keys with which a validator cosigns.
pub struct CosigningKeys {
    /// The validator's name.
    pub name: ParticipantName,
    /// Signs as the log.
    pub log: SecretKey,
    /// Signs as cosigner.
    pub cosigner: SecretKey,
    /// Signs COSE receipts.
    pub cose: SecretKey,
}

/// Sizes ahead of this node for which one validator's records are kept.
const AHEAD: usize = 64;

/// Sizes behind the newest quorum that are still gathered for or answered about.
const BEHIND: usize = 256;

/// What a record led to.
#[derive(Debug, Default)]
pub struct Gathered {
    /// A quorum became complete just now.
    pub quorum: Option<Gathering>,
    /// What to send back to whoever sent the record.
    pub answer: Vec<Cosignature>,
    /// Validators signed two roots for one size: these are the proofs.
    pub forks: Vec<Cosignature>,
}

/// Whether both signatures of a record hold under its validator's keys.
fn is_genuine(origin: &KeyName, set: &ValidatorSet, record: &Cosignature) -> bool {
    let checkpoint = Checkpoint {
        origin: origin.clone(),
        size: record.size,
        root: record.root,
    };
    Gathering::new(checkpoint, set.clone()).add(record).is_ok()
}

/// All gatherings of a node.
pub struct Cosigners {
    keys: Option<CosigningKeys>,
    gatherings: BTreeMap<Size, Gathering>,
    /// Records for sizes ahead of this node, by validator.
    early: BTreeMap<ParticipantName, BTreeMap<Size, Cosignature>>,
    /// Origin and validators before the first gathering.
    first_set: Option<(KeyName, ValidatorSet)>,
    newest_quorum: Option<Size>,
    answered: BTreeSet<(Size, PeerKey)>,
}

impl Cosigners {
    /// Gathers, and signs if there are keys.
    #[must_use]
    pub const fn new(keys: Option<CosigningKeys>) -> Self {
        Self {
            keys,
            gatherings: BTreeMap::new(),
            early: BTreeMap::new(),
            first_set: None,
            newest_quorum: None,
            answered: BTreeSet::new(),
        }
    }

    /// A block was decided and synced, and this is the checkpoint after it, which is signed at the
    /// time `now`: never before one that was given earlier. Returns this node's own record, to be
    /// sent to all peers, and the quorum if it is complete already.
    ///
    /// # Errors
    /// If the checkpoint cannot be signed.
    pub fn decided(
        &mut self,
        checkpoint: Checkpoint,
        set: ValidatorSet,
        now: Time,
    ) -> Result<(Option<Cosignature>, Gathered), CosignatureError> {
        let size = checkpoint.size;
        let own = self.sign(&checkpoint, &set, now)?;
        self.gatherings
            .insert(size, Gathering::new(checkpoint, set));
        let mut gathered = Gathered::default();
        let early: Vec<_> = self
            .early
            .values()
            .filter_map(|records| records.get(&size).cloned())
            .collect();
        for record in own.iter().chain(&early) {
            let (one, _) = self.add(record);
            gathered.quorum = one.quorum.or(gathered.quorum);
            gathered.forks.extend(one.forks);
        }
        // What is behind this node's own log can never become useful.
        for records in self.early.values_mut() {
            records.retain(|early, _| *early > size);
        }
        while self.gatherings.len() > BEHIND {
            self.gatherings.pop_first();
        }
        Ok((own, gathered))
    }

    fn sign(
        &self,
        checkpoint: &Checkpoint,
        set: &ValidatorSet,
        now: Time,
    ) -> Result<Option<Cosignature>, CosignatureError> {
        let Some(keys) = self
            .keys
            .as_ref()
            .filter(|keys| set.get(&keys.name).is_some())
        else {
            return Ok(None);
        };
        let (log, cosigner) = (keys.log.signing_key(), keys.cosigner.signing_key());
        let record = Cosignature::sign(checkpoint, &keys.name, log, cosigner, now)?;
        Ok(Some(record.with_cose(checkpoint, keys.cose.signing_key())))
    }

    /// To be called at the start: by which validators the first records are judged.
    pub fn start(&mut self, origin: KeyName, set: ValidatorSet) {
        self.first_set = Some((origin, set));
    }

    /// A record came from a peer.
    pub fn received(&mut self, from: PeerKey, record: &Cosignature) -> Gathered {
        if self.gatherings.contains_key(&record.size) {
            let (mut gathered, added) = self.add(record);
            if added == Some(Added::Known) {
                gathered.answer = self.answer(from, record.size);
            }
            return gathered;
        }
        let newest = self.gatherings.last_key_value().map(|(size, _)| *size);
        if newest.is_none_or(|newest| record.size > newest) {
            self.keep_early(record);
            return Gathered::default();
        }
        // Long behind: the sender gets on with the newest quorum.
        let answer = self.newest_quorum.map(|newest| self.answer(from, newest));
        Gathered {
            answer: answer.unwrap_or_default(),
            ..Gathered::default()
        }
    }

    fn answer(&mut self, to: PeerKey, size: Size) -> Vec<Cosignature> {
        let complete = self
            .gatherings
            .get(&size)
            .filter(|gathering| gathering.missing() == 0);
        match complete {
            Some(gathering) if self.answered.insert((size, to)) => {
                gathering.records().cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a record in this node's own name was made by somebody else with this node's keys: it
    /// is for a size that this node has not reached, or was signed later than this node's own. What
    /// does not verify is nobody's record, and what this node signed before a restart is earlier.
    #[must_use]
    pub fn is_of_twin(&self, origin: &KeyName, set: &ValidatorSet, record: &Cosignature) -> bool {
        let newest = self.gatherings.last_key_value().map(|(size, _)| *size);
        let own = self.gatherings.get(&record.size).and_then(|gathering| {
            gathering
                .records()
                .find(|own| own.validator == record.validator)
        });
        let ahead = newest.is_some_and(|newest| record.size > newest);
        let later = own.is_some_and(|own| record.seconds > own.seconds);
        (ahead || later) && is_genuine(origin, set, record)
    }

    fn keep_early(&mut self, record: &Cosignature) {
        // Any peer on the way can have taken the signature off: the whole record may still come.
        if record.cose.is_none() {
            return;
        }
        let Some((origin, set)) = self.newest_set() else {
            return;
        };
        if !is_genuine(&origin, &set, record) {
            tracing::warn!(validator = %record.validator, "a cosignature does not hold");
            return;
        }
        let records = self.early.entry(record.validator.clone()).or_default();
        records.entry(record.size).or_insert_with(|| record.clone());
        // The nearest sizes are the ones this node will reach first.
        while records.len() > AHEAD {
            records.pop_last();
        }
    }

    /// The origin and validators of the newest gathering, by which records ahead of it are judged:
    /// a set changes in a block that this node decides first.
    fn newest_set(&self) -> Option<(KeyName, ValidatorSet)> {
        match self.gatherings.last_key_value() {
            Some((_, newest)) => Some((newest.checkpoint().origin.clone(), newest.set().clone())),
            None => self.first_set.clone(),
        }
    }

    fn add(&mut self, record: &Cosignature) -> (Gathered, Option<Added>) {
        let mut gathered = Gathered::default();
        let Some(gathering) = self.gatherings.get_mut(&record.size) else {
            return (gathered, None);
        };
        // A record for another root goes on: it is evidence.
        if record.cose.is_none() && record.root == gathering.checkpoint().root {
            let validator = &record.validator;
            tracing::warn!(%validator, "a record without a COSE signature does not count; that node needs this release");
            return (gathered, None);
        }
        let added = gathering.add(record);
        match &added {
            Ok(Added::Counted { missing: 0 }) if self.newest_quorum < Some(record.size) => {
                self.newest_quorum = Some(record.size);
                gathered.quorum = Some(gathering.clone());
            }
            Ok(_) => {}
            Err(CosignatureError::Fork { .. }) => gathered.forks.push(record.clone()),
            Err(error) => tracing::warn!(%error, "a cosignature does not count"),
        }
        (gathered, added.ok())
    }

    /// The records of the newest complete quorum.
    #[must_use]
    pub fn latest_quorum(&self) -> Vec<Cosignature> {
        let gathering = self
            .newest_quorum
            .and_then(|size| self.gatherings.get(&size));
        gathering
            .map(|gathering| gathering.records().cloned().collect())
            .unwrap_or_default()
    }

    /// To be called now and then: what to send again to all peers.
    pub fn tick(&mut self) -> Vec<Cosignature> {
        self.answered.clear();
        self.own_missing()
    }

    /// This node's own records for sizes beyond the newest quorum: what peers may be waiting for.
    #[must_use]
    pub fn own_missing(&self) -> Vec<Cosignature> {
        let Some(keys) = &self.keys else {
            return Vec::new();
        };
        let pending = self
            .gatherings
            .iter()
            .filter(|(size, _)| Some(**size) > self.newest_quorum);
        let records = pending.flat_map(|(_, gathering)| gathering.records());
        records
            .filter(|record| record.validator == keys.name)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Purpose;
    use medanchor_ledger::TreeHash;
    use medanchor_ledger::validator::Validator;

    const PEER: PeerKey = PeerKey::new([1; 32]);

    fn keys(name: &str) -> CosigningKeys {
        let make = |purpose| SecretKey::generate(purpose).expect("randomness");
        CosigningKeys {
            name: name.parse().expect("a name"),
            log: make(Purpose::Log),
            cosigner: make(Purpose::Cosigner),
            cose: make(Purpose::Cose),
        }
    }

    /// Four validators, whose first is this node.
    fn four() -> (Cosigners, Vec<CosigningKeys>, ValidatorSet) {
        let all: Vec<_> = ["a", "b", "c", "d"].map(keys).into();
        let validator = |keys: &CosigningKeys| Validator {
            name: keys.name.clone(),
            consensus: SecretKey::generate(Purpose::Consensus)
                .expect("randomness")
                .public(),
            log: keys.log.public(),
            cosigner: keys.cosigner.public(),
            cose: keys.cose.public(),
        };
        let set = ValidatorSet::new(all.iter().map(validator).collect()).expect("a set");
        let mut all = all.into_iter();
        let own = all.next();
        (Cosigners::new(own), all.collect(), set)
    }

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint {
            origin: "test/1".parse().expect("a name"),
            size: Size(size),
            root: TreeHash::new([7; 32]),
        }
    }

    fn record(keys: &CosigningKeys, size: u64, seconds: u64) -> Cosignature {
        let (log, cosigner) = (keys.log.signing_key(), keys.cosigner.signing_key());
        let time = Time(seconds * 1000);
        let record = Cosignature::sign(&checkpoint(size), &keys.name, log, cosigner, time);
        let record = record.expect("signed");
        record.with_cose(&checkpoint(size), keys.cose.signing_key())
    }

    #[test]
    fn the_third_of_four_completes_the_quorum_once() {
        let (mut cosigners, others, set) = four();
        let (own, first) = cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        assert!(own.is_some() && first.quorum.is_none());
        let quorum: Vec<bool> = others
            .iter()
            .map(|keys| {
                cosigners
                    .received(PEER, &record(keys, 5, 9))
                    .quorum
                    .is_some()
            })
            .collect();
        assert_eq!(quorum, [false, true, false]);
        assert_eq!(cosigners.latest_quorum().len(), 4);
        assert!(cosigners.own_missing().is_empty());
    }

    /// An older release sends such records.
    #[test]
    fn a_record_without_a_cose_signature_does_not_count_and_stands_in_no_ones_way() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        for keys in &others[..2] {
            let whole = record(keys, 5, 9);
            let without = Cosignature {
                cose: None,
                ..whole.clone()
            };
            assert!(cosigners.received(PEER, &without).quorum.is_none());
        }
        assert!(cosigners.latest_quorum().is_empty());
        for keys in &others[..2] {
            cosigners.received(PEER, &record(keys, 5, 9));
        }
        assert_eq!(cosigners.latest_quorum().len(), 3);
    }

    #[test]
    fn records_that_come_before_the_block_count_once_it_is_decided() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(1), set.clone(), Time(9_000))
            .expect("signed");
        for keys in &others {
            cosigners.received(PEER, &record(keys, 5, 9));
        }
        let (_, gathered) = cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        assert!(gathered.quorum.is_some());
    }

    #[test]
    fn who_asks_again_is_answered_with_the_quorum_once_between_two_ticks() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        for keys in &others {
            cosigners.received(PEER, &record(keys, 5, 9));
        }
        let again = record(&others[0], 5, 9);
        assert_eq!(cosigners.received(PEER, &again).answer.len(), 4);
        assert!(cosigners.received(PEER, &again).answer.is_empty());
        cosigners.tick();
        assert_eq!(cosigners.received(PEER, &again).answer.len(), 4);
    }

    #[test]
    fn another_root_for_a_size_is_kept_as_evidence() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        let keys = &others[0];
        let fork = Checkpoint {
            root: TreeHash::new([8; 32]),
            ..checkpoint(5)
        };
        let (log, cosigner) = (keys.log.signing_key(), keys.cosigner.signing_key());
        let fork =
            Cosignature::sign(&fork, &keys.name, log, cosigner, Time(9_000)).expect("signed");
        assert_eq!(cosigners.received(PEER, &fork).forks, [fork]);
    }

    #[test]
    fn all_other_roots_that_came_before_the_block_are_kept_as_evidence() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(4), set.clone(), Time(9_000))
            .expect("signed");
        let fork = Checkpoint {
            root: TreeHash::new([8; 32]),
            ..checkpoint(5)
        };
        for keys in &others[..2] {
            let (log, cosigner) = (keys.log.signing_key(), keys.cosigner.signing_key());
            let record = Cosignature::sign(&fork, &keys.name, log, cosigner, Time(9_000));
            let record = record
                .expect("signed")
                .with_cose(&fork, keys.cose.signing_key());
            assert!(cosigners.received(PEER, &record).forks.is_empty());
        }
        let (_, gathered) = cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        assert_eq!(gathered.forks.len(), 2);
    }

    #[test]
    fn a_forged_early_record_neither_counts_nor_stands_in_the_way() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(1), set.clone(), Time(9_000))
            .expect("signed");
        for keys in &others[..2] {
            let good = record(keys, 5, 9);
            let forged = Cosignature {
                seconds: 10,
                ..good.clone()
            };
            cosigners.received(PEER, &forged);
            cosigners.received(PEER, &good);
            cosigners.received(PEER, &forged);
        }
        let (_, gathered) = cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        assert!(gathered.quorum.is_some());
    }

    #[test]
    fn an_early_record_without_its_cose_signature_does_not_stand_in_for_the_whole_one() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(1), set.clone(), Time(9_000))
            .expect("signed");
        for keys in &others[..2] {
            let whole = record(keys, 5, 9);
            let stripped = Cosignature {
                cose: None,
                ..whole.clone()
            };
            cosigners.received(PEER, &stripped);
            cosigners.received(PEER, &whole);
            cosigners.received(PEER, &stripped);
        }
        let (_, gathered) = cosigners
            .decided(checkpoint(5), set, Time(9_000))
            .expect("signed");
        assert!(gathered.quorum.is_some());
    }

    #[test]
    fn a_validator_keeps_a_bounded_number_of_early_records() {
        let (mut cosigners, others, set) = four();
        cosigners
            .decided(checkpoint(1), set, Time(9_000))
            .expect("signed");
        for size in (2..200).rev() {
            cosigners.received(PEER, &record(&others[0], size, 9));
        }
        let kept: Vec<_> = cosigners.early.values().flat_map(BTreeMap::keys).collect();
        assert_eq!((kept.len(), kept.first()), (AHEAD, Some(&&Size(2))));
    }

    #[test]
    fn somebody_who_signs_with_this_nodes_key_is_found_out_and_a_forger_changes_nothing() {
        let (mut cosigners, _, set) = four();
        let (own, _) = cosigners
            .decided(checkpoint(5), set.clone(), Time(9_000))
            .expect("signed");
        let own = own.expect("a validator signs");
        let origin = checkpoint(5).origin;
        let twin = |cosigners: &Cosigners, record: &Cosignature| {
            cosigners.is_of_twin(&origin, &set, record)
        };
        let sign = |cosigners: &Cosigners, size, seconds| {
            record(cosigners.keys.as_ref().expect("keys"), size, seconds)
        };
        assert!(!twin(&cosigners, &own), "an echo");
        let earlier = sign(&cosigners, 5, 7);
        assert!(!twin(&cosigners, &earlier), "signed before a restart");
        assert!(twin(&cosigners, &sign(&cosigners, 5, 10)));
        assert!(twin(&cosigners, &sign(&cosigners, 6, 9)));
        let forged_later = Cosignature {
            seconds: 10,
            ..own.clone()
        };
        let forged_ahead = Cosignature {
            size: Size(6),
            ..own
        };
        assert!(!twin(&cosigners, &forged_later) && !twin(&cosigners, &forged_ahead));
    }
}
