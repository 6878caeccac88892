//! Whether this process may vote: it takes office when it has been told that nobody else speaks in
//! its name, and it learns when somebody else does.
//!
//! What always holds: a validator says nothing with its consensus key before enough peers have
//! told it that they see it alone, or its patience is over; a process in
//! office answers every other one that comes in its name; a process that is shown its own instance
//! or a message that it did not make, signed with its own key, is told to stop. (The protocol stands in
//! `wire/presence.rs`.)

use super::context::{Address, Height, Medanchor};
use super::signing::{Judge, Pen};
use crate::wire::presence::{Instance, Presence, alive_bytes};
use crate::{PeerKey, Twin};
use arc_malachitebft_app_channel::app::types::SignedConsensusMsg;
use medanchor_ledger::signature::{Signature, verify};
use medanchor_ledger::validator::quorum;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Who a validator's process is.
pub struct Me {
    /// The validator's name.
    pub name: Address,
    /// Its key.
    pub pen: Pen,
}

impl Me {
    fn judge(&self) -> &Judge {
        self.pen.judge()
    }
}

/// Where this process stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Office {
    Waits,
    Held,
    /// Another process holds the key.
    Lost,
}

#[derive(Default)]
struct Known {
    /// Peers that see this process alone.
    alone: BTreeSet<PeerKey>,
    /// Other instances, and by whom they are seen.
    others: BTreeMap<PeerKey, BTreeSet<Instance>>,
}

/// What this process said, as far as it can still be confused with what another says.
#[derive(Default)]
struct Said {
    /// Messages of lower heights may be of this node before it was started again.
    from: Option<Height>,
    height: Height,
    signatures: BTreeSet<[u8; 64]>,
}

/// Something to send to a peer.
pub type Answer = (PeerKey, Presence);

/// See the module.
pub struct Desk {
    instance: Instance,
    me: Option<Me>,
    enough: usize,
    office: watch::Sender<Office>,
    known: Mutex<Known>,
    said: Mutex<Said>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// For a process with `peers` peers; one that follows (no `me`) has nothing to wait for.
    pub fn new(instance: Instance, me: Option<Me>, peers: usize) -> Self {
        let enough = quorum(peers.saturating_add(1)).saturating_sub(1);
        let office = match enough > 0 && me.is_some() {
            true => Office::Waits,
            false => Office::Held,
        };
        Self {
            instance,
            me,
            enough,
            office: watch::channel(office).0,
            known: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// The process.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    fn is(&self, office: Office) -> bool {
        *self.office.borrow() == office
    }

    /// A peer says who it sees in this node's name. Gives what to answer.
    pub fn seen(&self, peer: PeerKey, mut seen: BTreeSet<Instance>) -> Vec<Answer> {
        if !seen.remove(&self.instance) {
            return Vec::new();
        }
        let mut known = lock(&self.known);
        match seen.is_empty() {
            true => known.alone.insert(peer),
            false => known.alone.remove(&peer),
        };
        let before = known.others.insert(peer, seen.clone()).unwrap_or_default();
        let enough = known.alone.len() >= self.enough;
        drop(known);
        if self.is(Office::Held) {
            return self.answers(peer, seen.difference(&before));
        }
        if enough { self.take() } else { Vec::new() }
    }

    fn answers<'a>(
        &self,
        peer: PeerKey,
        others: impl Iterator<Item = &'a Instance>,
    ) -> Vec<Answer> {
        let Some(me) = &self.me else {
            return Vec::new();
        };
        let sign = |instance: &Instance| {
            tracing::warn!(%peer, "another process with this node's keys is at a peer: it is told to stop");
            let bytes = alive_bytes(&me.judge().network, instance);
            let signature = me.pen.sign(&bytes).to_bytes();
            (peer, Presence::Alive(*instance, signature))
        };
        others.map(sign).collect()
    }

    /// Takes office, unless it is lost. Gives what those who came meanwhile are answered.
    fn take(&self) -> Vec<Answer> {
        let taken = self.office.send_if_modified(|office| {
            let waits = *office == Office::Waits;
            if waits {
                *office = Office::Held;
            }
            waits
        });
        if !taken {
            return Vec::new();
        }
        let others = lock(&self.known).others.clone();
        others
            .iter()
            .flat_map(|(peer, others)| self.answers(*peer, others.iter()))
            .collect()
    }

    /// Waits for the office, for as long as `patience` if nobody says anything; gives what to answer
    /// once it is held. Waits for ever if it is lost.
    pub async fn hold(&self, patience: Duration) -> Vec<Answer> {
        let mut office = self.office.subscribe();
        let decided = office.wait_for(|office| *office != Office::Waits);
        let tired = timeout(patience, decided).await.is_err();
        let answers = if tired { self.take() } else { Vec::new() };
        if self.is(Office::Lost) {
            return std::future::pending().await;
        }
        answers
    }

    /// This process's instance came back signed. Gives the proof if the key is this node's own.
    pub fn returned(&self, signature: [u8; 64]) -> Option<Twin> {
        let me = self.me.as_ref()?;
        let statement = alive_bytes(&me.judge().network, &self.instance);
        self.lost(me, statement, signature)
    }

    fn lost(&self, me: &Me, statement: Vec<u8>, signature: [u8; 64]) -> Option<Twin> {
        verify(&me.pen.public_key(), &statement, &Signature::new(signature)).ok()?;
        self.office.send_replace(Office::Lost);
        Some(Twin {
            statement: statement.into(),
            signature,
        })
    }

    /// From this height on everything that is signed with this node's key was said by this process.
    pub fn start(&self, from: Height) {
        lock(&self.said).from = Some(from);
    }

    /// This process is about to say something.
    pub fn says(&self, message: &SignedConsensusMsg<Medanchor>) {
        let mut said = lock(&self.said);
        if message.height() > said.height {
            said.height = message.height();
            said.signatures.clear();
        }
        said.signatures.insert(signature_of(message));
    }

    /// A peer sent this. Gives the proof if it is signed with this node's key and this process did
    /// not say it.
    pub fn overheard(&self, message: &SignedConsensusMsg<Medanchor>) -> Option<Twin> {
        let me = self.me.as_ref()?;
        let (name, statement) = match message {
            SignedConsensusMsg::Vote(vote) => (&vote.voter, me.judge().vote_bytes(vote)),
            SignedConsensusMsg::Proposal(proposal) => {
                (&proposal.proposer, me.judge().proposal_bytes(proposal))
            }
        };
        let signature = signature_of(message);
        let own = {
            let said = lock(&self.said);
            let height = message.height();
            let early = said.from.is_none_or(|from| height < from) || height < said.height;
            early || said.signatures.contains(&signature)
        };
        if *name != me.name || own {
            return None;
        }
        self.lost(me, statement?, signature)
    }
}

fn signature_of(message: &SignedConsensusMsg<Medanchor>) -> [u8; 64] {
    match message {
        SignedConsensusMsg::Vote(vote) => vote.signature.to_bytes(),
        SignedConsensusMsg::Proposal(proposal) => proposal.signature.to_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::Vote;
    use super::*;
    use crate::SecretSeed;
    use arc_malachitebft_app_channel::app::types::core::{
        NilOrVal, Round, SignedMessage, VoteType,
    };
    use medanchor_ledger::{NetworkId, ValueId};

    const PEERS: [PeerKey; 3] = [
        PeerKey::new([1; 32]),
        PeerKey::new([2; 32]),
        PeerKey::new([3; 32]),
    ];

    fn pen(seed: u8) -> Pen {
        let network = NetworkId::new([1; 16]);
        Pen::new(Judge { network }, &SecretSeed::new([seed; 32]))
    }

    fn name(text: &str) -> Address {
        Address(text.parse().unwrap())
    }

    fn desk(instance: u8) -> Desk {
        let me = Me {
            name: name("maker"),
            pen: pen(5),
        };
        Desk::new([instance; 16], Some(me), 3)
    }

    fn set(instances: &[u8]) -> BTreeSet<Instance> {
        instances.iter().map(|end| [*end; 16]).collect()
    }

    fn holds(desk: &Desk) -> bool {
        desk.is(Office::Held)
    }

    #[tokio::test]
    async fn office_is_taken_when_enough_peers_see_nobody_else() {
        let desk = desk(1);
        assert!(desk.seen(PEERS[0], set(&[1])).is_empty() && !holds(&desk));
        assert!(
            desk.seen(PEERS[0], set(&[1])).is_empty() && !holds(&desk),
            "the same one again"
        );
        assert!(
            desk.seen(PEERS[1], set(&[9])).is_empty() && !holds(&desk),
            "not seen yet"
        );
        assert!(desk.seen(PEERS[1], set(&[1])).is_empty() && holds(&desk));
        assert!(desk.hold(Duration::MAX).await.is_empty());
    }

    #[test]
    fn who_follows_or_is_alone_has_nothing_to_wait_for() {
        let me = || {
            Some(Me {
                name: name("maker"),
                pen: pen(5),
            })
        };
        assert!(holds(&Desk::new([1; 16], None, 3)));
        assert!(holds(&Desk::new([1; 16], me(), 0)));
        assert!(!holds(&Desk::new([1; 16], me(), 1)));
    }

    #[test]
    fn a_newcomer_is_answered_once_and_believes_only_its_own_key_over_its_own_instance() {
        let (old, new) = (desk(1), desk(2));
        PEERS
            .iter()
            .for_each(|peer| drop(old.seen(*peer, set(&[1]))));
        assert!(new.seen(PEERS[0], set(&[1, 2])).is_empty(), "it waits");
        let answers = old.seen(PEERS[0], set(&[1, 2]));
        let [(peer, Presence::Alive(instance, signature))] = &answers[..] else {
            panic!("one answer, not {answers:?}");
        };
        assert_eq!((*peer, *instance), (PEERS[0], [2; 16]));
        assert!(old.seen(PEERS[0], set(&[1, 2])).is_empty(), "once");
        assert_eq!(desk(3).returned(*signature), None, "another instance's");
        assert_eq!(new.returned([0; 64]), None, "forged");
        assert!(new.returned(*signature).is_some());
        assert!(new.seen(PEERS[1], set(&[2])).is_empty());
        assert!(
            new.seen(PEERS[2], set(&[2])).is_empty() && !holds(&new),
            "lost for good"
        );
    }

    #[tokio::test]
    async fn of_two_that_come_together_each_is_told_when_patience_is_over() {
        let desk = desk(1);
        assert!(desk.seen(PEERS[0], set(&[1, 2])).is_empty());
        let answers = desk.hold(Duration::ZERO).await;
        assert!(matches!(&answers[..], [(peer, Presence::Alive(..))] if *peer == PEERS[0]));
    }

    fn vote(seed: u8, height: u64, value: u8) -> SignedConsensusMsg<Medanchor> {
        let vote = Vote {
            kind: VoteType::Precommit,
            height: Height(height),
            round: Round::new(0),
            value: NilOrVal::Val(ValueId::new([value; 32])),
            voter: name("maker"),
        };
        let pen = pen(seed);
        let signature = pen.sign(&pen.judge().vote_bytes(&vote).unwrap());
        SignedConsensusMsg::Vote(SignedMessage::new(vote, signature))
    }

    #[test]
    fn only_what_is_signed_with_the_own_key_and_was_not_said_here_is_somebody_elses() {
        let desk = desk(1);
        assert!(desk.overheard(&vote(5, 7, 2)).is_none(), "not started");
        desk.start(Height(7));
        desk.says(&vote(5, 7, 1));
        assert!(desk.overheard(&vote(5, 7, 1)).is_none(), "an echo");
        assert!(desk.overheard(&vote(5, 6, 2)).is_none(), "before the start");
        assert!(desk.overheard(&vote(6, 7, 2)).is_none(), "forged");
        let twin = desk.overheard(&vote(5, 7, 2)).unwrap();
        assert_eq!(twin.signature, signature_of(&vote(5, 7, 2)));
        assert!(
            desk.overheard(&vote(5, 8, 1)).is_some(),
            "ahead of this process"
        );
        desk.says(&vote(5, 9, 1));
        assert!(desk.overheard(&vote(5, 8, 3)).is_none(), "no longer known");
    }
}
