//! What is too large is refused by its length, before room is made for it: these tests count what is
//! held, so they say the same on every machine.

use medanchor_ledger::block::Block;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::event::Event;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{ProofError, leaf_hash, verify_consistency, verify_inclusion};
use medanchor_ledger::note::{Note, NoteError};
use medanchor_ledger::policy::{Policy, PolicyError};
use medanchor_ledger::receipt::{Receipt, ReceiptError};
use medanchor_ledger::state::StateProof;
use medanchor_ledger::{Index, Size, TreeHash};
use medanchor_sdk::import::import_bytes;
use medanchor_vault::{Disclosure, Document};

const KIB: u64 = 1 << 10;
const HUGE: usize = 64 << 20;

/// What `read` gives, if it held at most `bound` bytes at once.
fn within<T>(bound: u64, read: impl FnOnce() -> T) -> T {
    let mut given = None;
    let taken = allocation_counter::measure(|| given = Some(read()));
    assert!(
        taken.bytes_max <= bound,
        "{} bytes were held, above {bound}",
        taken.bytes_max
    );
    given.unwrap()
}

#[test]
fn a_huge_tile_or_bundle_is_refused_by_its_length() {
    let bytes = vec![0; HUGE];
    for size in [1, 255, 256].map(Size) {
        let tile = TileId::at(0, 0, size).unwrap();
        assert!(within(KIB, || Tile::decode(tile, &bytes).is_err()));
        let bundle = BundleId::at(0, size).unwrap();
        assert!(within(16 * KIB, || read_entries(bundle, &bytes).is_err()));
    }
}

#[test]
fn a_proof_of_a_million_hashes_is_refused() {
    let (proof, root) = (vec![leaf_hash(b"a"); 1_000_000], leaf_hash(b"root"));
    let inclusion = || verify_inclusion(Index(0), Size(u64::MAX), &root, &proof, &root);
    assert_eq!(within(0, inclusion), Err(ProofError::Length));
    let consistency = || verify_consistency(Size(1), &root, Size(u64::MAX), &root, &proof);
    assert_eq!(within(0, consistency), Err(ProofError::Length));
    let line = format!("{}=\n", "A".repeat(43));
    let receipt = |hashes| format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\n", line.repeat(hashes));
    let (whole, fitting) = (receipt(1_000_000), receipt(5_000));
    let parse = |text: &str| Receipt::parse(text.as_bytes());
    assert_eq!(within(0, || parse(&whole)), Err(ReceiptError::Size));
    assert_eq!(
        within(16 * KIB, || parse(&fitting)),
        Err(ReceiptError::Proof)
    );
    // An array of three, version 1, and a byte string that says it has 32,000,000 bytes.
    let state = [
        &[0x83, 1, 0x5a, 0x01, 0xe8, 0x48, 0x00][..],
        &vec![0; 32_000_000],
        &[0],
    ]
    .concat();
    assert!(within(KIB, || StateProof::decode(&state).is_err()));
}

#[test]
fn a_checkpoint_with_100_000_signatures_is_refused() {
    let text = format!("origin\n1\n{}=\n\n", "A".repeat(43));
    let line = "\u{2014} k AAAAAAA=\n";
    let note = |lines| text.clone() + &line.repeat(lines);
    let (whole, fitting) = (note(100_000), note(7_000));
    assert!(fitting.len() <= Note::MAX_BYTES);
    assert_eq!(
        within(0, || Note::parse(whole.as_bytes())),
        Err(NoteError::Size)
    );
    assert_eq!(
        within(0, || Note::parse(fitting.as_bytes())),
        Err(NoteError::Signatures)
    );
}

#[test]
fn a_policy_of_a_million_lines_is_refused() {
    let whole = "# nothing\n".repeat(1_000_000);
    assert_eq!(
        within(0, || Policy::parse(whole.as_bytes())),
        Err(PolicyError::Size)
    );
    let blank = vec![b'\n'; Policy::MAX_BYTES];
    assert_eq!(
        within(KIB, || Policy::parse(&blank)),
        Err(PolicyError::NoQuorum)
    );
    let wide = format!("group g any{}\n", " x".repeat(250_000));
    assert!(wide.len() <= Policy::MAX_BYTES);
    // The words of one line, which fits the file's bound, are pointed to.
    assert!(
        within(16 * Policy::MAX_BYTES as u64, || Policy::parse(
            wide.as_bytes()
        ))
        .is_err()
    );
}

/// Arrays in arrays, in definite and indefinite form, and heads that promise 2^64 - 1 of everything.
fn cbor_bombs() -> Vec<Vec<u8>> {
    let heads = [0x5b, 0x7b, 0x9b, 0xbb, 0xdb];
    let promises = heads.map(|head| [&[head][..], &[0xff; 8]].concat());
    let inside = |prefix: &[u8]| promises.clone().map(|promise| [prefix, &promise].concat());
    let mut bombs = vec![
        vec![0x81; 1 << 20],
        vec![0x9f; 1 << 20],
        vec![0xa1; 1 << 20],
        vec![0xd2; 1 << 20],
    ];
    bombs.extend(promises.clone());
    for prefix in [
        &[0xd2, 0x84][..],
        &[0x82],
        &[0xa4, 1, 0, 2, 0],
        &[0xa5, 1, 1, 2, 1, 3],
    ] {
        bombs.extend(inside(prefix));
    }
    bombs
}

#[test]
fn deep_nesting_and_great_promises_are_refused_in_cbor() {
    for bomb in cbor_bombs() {
        let refused = within(4 * KIB, || {
            [
                Event::decode(&bomb).is_err(),
                Block::decode(&bomb).is_err(),
                Genesis::decode(&bomb).is_err(),
                Certificate::decode(&bomb).is_err(),
                Cosignature::decode(&bomb).is_err(),
                StateProof::decode(&bomb).is_err(),
                Disclosure::decode(&bomb).is_err(),
            ]
        });
        assert_eq!(refused, [true; 7], "{:02x?}", &bomb[..bomb.len().min(16)]);
    }
}

#[test]
fn deep_nesting_is_refused_in_json() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let deep = open.repeat(1 << 20);
        assert!(within(256 * KIB, || Document::parse(deep.as_bytes()).is_err()));
        // The open brackets are kept, so the bytes are held twice at most.
        let import = within(2 * deep.len() as u64 + 256 * KIB, || {
            import_bytes("deep.json", deep.as_bytes())
        });
        assert!(!import.left_out.is_empty());
    }
}

#[test]
fn what_is_longer_than_its_format_is_refused_unread() {
    let bytes = vec![0xd2; HUGE];
    assert!(within(KIB, || Event::decode(&bytes).is_err()));
    assert!(within(KIB, || Genesis::decode(&bytes).is_err()));
    assert!(within(KIB, || Receipt::parse(&bytes).is_err()));
    assert!(within(KIB, || Note::parse(&bytes).is_err()));
    assert!(within(KIB, || Policy::parse(&bytes).is_err()));
    assert!(within(KIB, || Document::parse(&bytes).is_err()));
    let none: TreeHash = leaf_hash(b"");
    assert!(verify_inclusion(Index(0), Size(0), &none, &[], &none).is_err());
}
