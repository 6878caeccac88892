//! What holds for every event, whatever it says.

use crate::samples::{all, consent_grant_endable, inspection_key_replacing, signed};
use crate::world::genesis;
use medanchor_ledger::block::Block;
use medanchor_ledger::event::{Event, UnsignedEvent};
use medanchor_ledger::execute::Head;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::{
    BreakGlass, Consent, CustodianSet, DrawKey, EmergencyHead, Inspection, OpenReviews, Proposal,
    Record, RunningDraws, StateValue, Unit,
};
use medanchor_ledger::seal::Seal;
use proptest::prelude::*;

/// The event, written again from what was read.
fn rewritten(event: &Event) -> Vec<u8> {
    let unsigned = UnsignedEvent {
        issuer: event.issuer().clone(),
        network: event.network(),
        nonce: event.nonce(),
        not_after: event.not_after(),
        body: event.body().clone(),
    };
    let signed = unsigned.sign_with(event.key_id(), |_| *event.signature());
    signed.unwrap().encoded().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Bytes that are accepted are the only bytes of what they say.
    #[test]
    fn accepted_bytes_are_written_again_as_they_were(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut samples = all();
        samples.push(signed("north-hospital", consent_grant_endable()));
        samples.push(signed("maker", inspection_key_replacing()));
        let mut bytes = sample.get(&samples).encoded().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(event) = Event::decode(&bytes) {
            prop_assert_eq!(rewritten(&event), bytes);
        }
    }

    /// No bytes make the decoder panic.
    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Event::decode(&bytes);
        let tagged = [&[0xd2, 0x84][..], &bytes].concat();
        let _ = Event::decode(&tagged);
        let _ = (Seal::decode(&bytes), Block::decode(&bytes), Genesis::decode(&bytes));
        let _ = (Head::decode(&bytes), Consent::decode(&bytes), Unit::decode(&bytes));
        let _ = (Inspection::decode(&bytes), RunningDraws::decode(&bytes), DrawKey::decode(&bytes));
        let _ = (BreakGlass::decode(&bytes), OpenReviews::decode(&bytes));
        let _ = EmergencyHead::decode(&bytes);
        let _ = (Record::decode(&bytes), Proposal::decode(&bytes), CustodianSet::decode(&bytes));
    }

    /// A genesis that is accepted is written again as it was.
    #[test]
    fn a_changed_genesis_is_refused_or_another_network(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let original = genesis();
        let mut bytes = original.encoded().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(found) = Genesis::decode(&bytes) {
            let again = Genesis::new(found.spec().clone()).unwrap();
            prop_assert_eq!(again.encoded(), &bytes[..]);
            prop_assert_eq!(found.network_id() == original.network_id(), bytes == original.encoded());
        }
    }
}
