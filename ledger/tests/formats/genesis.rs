//! `vectors/genesis/`.

use crate::vectors::Vectors;
use crate::world::{HOSPITAL, genesis, key_of};
use medanchor_ledger::execute::execute_genesis;
use medanchor_ledger::genesis::Genesis;

fn read(bytes: &[u8]) -> Result<Genesis, String> {
    Genesis::decode(bytes).map_err(|error| error.to_string())
}

fn replace(from: &[u8], to: &[u8]) -> Vec<u8> {
    let genesis = genesis();
    let bytes = genesis.encoded();
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// The genesis with the hospital's participant key replaced.
fn with_key(key: [u8; 33]) -> Vec<u8> {
    replace(&key_of(HOSPITAL).public_key().encode(), &key)
}

fn ed25519(first: u8, rest: u8, last: u8) -> [u8; 33] {
    let mut key = [rest; 33];
    (key[0], key[1], key[32]) = (1, first, last);
    key
}

#[test]
fn genesis_has_golden_bytes() {
    let mut vectors = Vectors::of("genesis");
    let genesis = genesis();
    vectors.golden("genesis", genesis.encoded());
    vectors.golden("genesis.hash", genesis.hash().as_bytes());
    vectors.golden("genesis.policy-hash", genesis.policy().hash().as_bytes());
    let executed = execute_genesis(&genesis).unwrap();
    vectors.golden("genesis.entry-0", &executed.seal_entry);
    assert_eq!(read(genesis.encoded()).unwrap(), genesis);

    let mut reject = |name: &str, bytes: &[u8], why: &str| {
        vectors.rejected(name, bytes, read, why);
    };
    let whole = genesis.encoded();
    reject("truncated", &whole[..whole.len() - 1], "cut short");
    reject(
        "trailing-byte",
        &[whole, &[0]].concat(),
        "bytes follow the end",
    );
    reject(
        "other-format",
        &replace(b"genesis/v1", b"genesis/v2"),
        "not the constant",
    );
    reject(
        "network-uppercase",
        &replace(b"test.", b"Test."),
        "not a network name",
    );
    reject(
        "network-slash",
        &replace(b"test.", b"test/"),
        "not a network name",
    );
    let time = [&[0x1b][..], &1_700_000_000_000u64.to_be_bytes()].concat();
    let rules = |version: &[u8]| [&time[..], &[3], version, &[4]].concat();
    reject(
        "rules-version-2",
        &replace(&rules(&[1]), &rules(&[2])),
        "rules version 2",
    );
    reject(
        "threshold-0",
        &replace(&[6, 0xa2, 1, 1], &[6, 0xa2, 1, 0]),
        "number of approvals",
    );
    reject(
        "threshold-2-of-1",
        &replace(&[6, 0xa2, 1, 1], &[6, 0xa2, 1, 2]),
        "number of approvals",
    );
    let authority = [&[2, 0x81, 0x69][..], b"regulator"].concat();
    let stranger = [&[2, 0x81, 0x69][..], b"stranger1"].concat();
    reject(
        "authority-takes-no-part",
        &replace(&authority, &stranger),
        "is no participant",
    );
    let participants_hospital = [&[0xa2, 1, 0x6e][..], b"north-hospital"].concat();
    let misplaced = [&[0xa2, 1, 0x6e][..], b"aorth-hospital"].concat();
    reject(
        "participants-unsorted",
        &replace(&participants_hospital, &misplaced),
        "not sorted",
    );
    let key = key_of(HOSPITAL).public_key().encode();
    reject(
        "keys-empty",
        &replace(&[&[0x81, 0x58, 0x21][..], &key].concat(), &[0x80]),
        "size out of bounds",
    );
    let other = key_of("old-pharmacy").public_key().encode();
    reject("shared-key", &with_key(other), "is used twice");
    let key = "not an acceptable public key";
    reject("key-of-small-order", &with_key(ed25519(1, 0, 0)), key);
    reject(
        "key-not-canonical",
        &with_key(ed25519(0xee, 0xff, 0x7f)),
        key,
    );
    reject("key-not-a-point", &with_key(ed25519(2, 0, 0)), key);
    let mut sm2 = key_of(HOSPITAL).public_key().encode();
    sm2[0] = 2;
    reject("key-algorithm", &with_key(sm2), key);
    let roles = |roles: &[u8]| [&participants_hospital[..], &[2, 0x82], roles].concat();
    reject(
        "role-unknown",
        &replace(&roles(&[0x81, 1]), &roles(&[0x81, 9])),
        "not the constant",
    );
    reject(
        "roles-repeated",
        &replace(&roles(&[0x81, 1]), &roles(&[0x82, 1, 1])),
        "not sorted",
    );
    reject(
        "roles-empty",
        &replace(&roles(&[0x81, 1]), &roles(&[0x80])),
        "size out of bounds",
    );
    vectors.finish();
}
