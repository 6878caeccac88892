use super::*;
use crate::pool::Limits;
use medanchor_ledger::event::{LotOpen, UnsignedEvent};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{Commitment, LotHandle, Nonce, TreeHash};

const NOW: Time = Time(1_000_000);

/// A ledger in which one event stands at place 7.
struct Ledger {
    anchored: EventId,
    entry: Vec<u8>,
    /// Whether the signer's key is registered no longer.
    revoked: bool,
}

impl Surroundings for Ledger {
    fn network(&self) -> NetworkId {
        NetworkId::new([1; 16])
    }
    fn now(&self) -> Time {
        NOW
    }
    fn key(&self, _: &ParticipantName, _: KeyId) -> Result<Option<PublicKey>, ReadFailed> {
        Ok((!self.revoked).then(|| signing_key().public_key()))
    }
    fn index_of(&self, id: &EventId) -> Result<Option<Index>, ReadFailed> {
        Ok((*id == self.anchored).then_some(Index(7)))
    }
    fn has_entry(&self, at: Index, bytes: &[u8]) -> Result<bool, ReadFailed> {
        Ok(at == Index(7) && self.entry == bytes)
    }
    fn pooled(&self, _: Vec<Bytes>) {}
    fn failed(&self, _: &ReadFailed) {}
}

fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn event(number: u8) -> Event {
    let body = LotOpen {
        lot: LotHandle::new([number; 16]),
        commitment: Commitment::new(TreeHash::new([7; 32])),
    };
    let unsigned = UnsignedEvent {
        issuer: "jade-pharma".parse().expect("a name"),
        network: NetworkId::new([1; 16]),
        nonce: Nonce::new([number; 16]),
        not_after: NOW.plus_millis(1_000),
        body: body.into(),
    };
    unsigned.sign(&signing_key()).expect("signed")
}

fn bytes_of(event: &Event) -> Bytes {
    Bytes::copy_from_slice(event.encoded())
}

fn with_broken_signature(event: &Event) -> Bytes {
    let mut bytes = event.encoded().to_vec();
    *bytes.last_mut().expect("bytes") ^= 1;
    bytes.into()
}

/// A door before a pool that one event fills, and the answers to what is posted in turn.
fn answers(posted: Vec<Bytes>) -> Vec<Admitted> {
    answers_of(false, posted)
}

fn answers_of(revoked: bool, posted: Vec<Bytes>) -> Vec<Admitted> {
    let limits = Limits {
        events: 1,
        bytes: 10_000,
        participant_bytes: 10_000,
        peer_bytes: 10_000,
    };
    let pool = Arc::new(Mutex::new(Pool::new(limits)));
    let ledger = Arc::new(Ledger {
        anchored: event(1).id(),
        entry: event(1).encoded().to_vec(),
        revoked,
    });
    let door = Admission::start(&ledger, &pool, 1, 1 << 20).expect("starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let one = |bytes| runtime.block_on(door.submit(vec![bytes])).expect("answers");
    posted.into_iter().flat_map(one).collect()
}

#[test]
fn a_full_pool_turns_away_new_events_only() {
    let (anchored, pooled, new) = (event(1), event(2), event(3));
    let posted = [&pooled, &new, &pooled, &anchored].map(bytes_of);
    let answers = answers(posted.into());
    assert!(matches!(answers[0], Admitted::Pooled(_)), "{answers:?}");
    assert!(
        matches!(&answers[1], Admitted::Refused(_, Refused::Full(_))),
        "{answers:?}"
    );
    assert!(matches!(answers[2], Admitted::Known(_)), "{answers:?}");
    assert!(
        matches!(answers[3], Admitted::Anchored(_, Index(7))),
        "{answers:?}"
    );
}

#[test]
fn a_known_id_does_not_make_a_bad_signature_good() {
    let (anchored, pooled) = (event(1), event(2));
    let copies = [&anchored, &pooled].map(with_broken_signature);
    let [of_anchored, of_pooled] = copies;
    let answers = answers(vec![bytes_of(&pooled), of_anchored, of_pooled]);
    for answer in &answers[1..] {
        assert!(
            matches!(answer, Admitted::Refused(_, Refused::Signature(_))),
            "{answer:?}"
        );
    }
}

#[test]
fn what_was_anchored_under_a_revoked_key_stays_so_and_nothing_else_is_taken() {
    let (anchored, new) = (event(1), event(2));
    let posted = vec![
        bytes_of(&anchored),
        with_broken_signature(&anchored),
        bytes_of(&new),
    ];
    let answers = answers_of(true, posted);
    assert!(
        matches!(answers[0], Admitted::Anchored(_, Index(7))),
        "{answers:?}"
    );
    for answer in &answers[1..] {
        assert!(
            matches!(answer, Admitted::Refused(_, Refused::UnknownSigner { .. })),
            "{answers:?}"
        );
    }
}
