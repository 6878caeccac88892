//! `vectors/seal/`.

use crate::vectors::Vectors;
use crate::world::name;
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::seal::{Seal, value_id};
use medanchor_ledger::{Height, Index, PolicyHash, Round, Size, StateRoot, Time, TreeHash};

fn sample() -> Seal {
    Seal {
        height: Height(7),
        round: Round(1),
        proposer: Some(name("north-hospital")),
        time: Time(1_700_000_000_123),
        first: Index(40),
        count: 3,
        log_root: TreeHash::new([1; 32]),
        previous: TreeHash::new([2; 32]),
        state_root: StateRoot::new([3; 32]),
        rules_version: 1,
        policy: PolicyHash::new([4; 32]),
        next_policy: PolicyHash::new([5; 32]),
    }
}

fn genesis_seal() -> Seal {
    Seal {
        height: Height(0),
        round: Round(0),
        proposer: None,
        first: Index(0),
        count: 0,
        ..sample()
    }
}

fn read(bytes: &[u8]) -> Result<Seal, String> {
    Seal::decode(bytes).map_err(|error| error.to_string())
}

fn replace(from: &[u8], to: &[u8]) -> Vec<u8> {
    let bytes = sample().encode();
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn seals_have_golden_bytes() {
    let mut vectors = Vectors::of("seal");
    vectors.golden("seal", &sample().encode());
    vectors.golden("seal-of-height-0", &genesis_seal().encode());
    vectors.golden("seal.hash", sample().hash().as_bytes());
    let id = value_id(Height(7), Size(44), &TreeHash::new([6; 32]));
    vectors.golden("value-id", id.as_bytes());
    for seal in [sample(), genesis_seal()] {
        assert_eq!(read(&seal.encode()), Ok(seal));
    }

    let mut reject = |name: &str, bytes: &[u8], why: &str| {
        vectors.rejected(name, bytes, read, why);
    };
    let whole = sample().encode();
    reject("truncated", &whole[..whole.len() - 1], "cut short");
    reject(
        "trailing-byte",
        &[&whole[..], &[0]].concat(),
        "bytes follow the end",
    );
    reject(
        "other-format",
        &replace(b"seal/v1", b"seal/v2"),
        "not the constant",
    );
    reject(
        "non-minimal-height",
        &replace(&[1, 7, 2], &[1, 0x18, 7, 2]),
        "longer than it need be",
    );
    let wide = [2, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 3];
    reject(
        "round-above-32-bits",
        &replace(&[2, 1, 3], &wide),
        "out of range",
    );
    reject(
        "renamed-key",
        &replace(&[2, 1, 3], &[3, 1, 3]),
        "wanted map key 2",
    );
    reject(
        "proposer-uppercase",
        &replace(b"north", b"North"),
        "text is malformed",
    );
    let nameless = Seal {
        proposer: None,
        ..sample()
    };
    reject("no-proposer", &nameless.encode(), "names a proposer");
    let proposer = sample().proposer;
    let named = Seal {
        proposer,
        ..genesis_seal()
    };
    reject("proposer-at-height-0", &named.encode(), "names a proposer");
    let mut oversize = Writer::new();
    oversize.bytes(&[0; 600]);
    reject("oversize", oversize.as_bytes(), "send at most 512");
    vectors.finish();
}
