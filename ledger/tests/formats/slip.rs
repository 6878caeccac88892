//! The slip of an emergency opening.

use crate::samples::NETWORK;
use crate::vectors::Vectors;
use crate::world::name;
use medanchor_ledger::JournalHead;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::slip::{Slip, entry_bytes};

fn slip() -> Slip {
    let (counter, head) = (7, JournalHead::new([9; 32]));
    Slip {
        network: NETWORK,
        owner: name("north-hospital"),
        counter,
        head,
        signature: SigningKey::from_seed(&[5; 32]).sign(&entry_bytes(NETWORK, counter, &head)),
    }
}

#[test]
fn slip_vectors() {
    let mut vectors = Vectors::of("slip");
    let good = slip().to_string();
    vectors.golden("good", good.as_bytes());
    let read: Slip = good.parse().unwrap();
    assert_eq!(read, slip());
    assert!(read.is_signed_by(&SigningKey::from_seed(&[5; 32]).public_key()));
    let read = |bytes: &[u8]| {
        let line = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        line.parse::<Slip>().map_err(|error| error.to_string())
    };
    for (name, line) in [
        ("version", good.replace("slip/1", "slip/2")),
        ("without-signature", good[..good.len() - 129].to_owned()),
        ("cut", good[..good.len() - 1].to_owned()),
        ("entry-0", good.replace(" 7 ", " 0 ")),
        ("entry-padded", good.replace(" 7 ", " 07 ")),
        (
            "upper-case",
            good.replace("0909", "0A09").replace("0A", "AA"),
        ),
        ("two-blanks", good.replacen(' ', "  ", 1)),
        ("line-end", format!("{good}\n")),
        ("seven-words", format!("{good} 1")),
        ("long", format!("{good}{}", "0".repeat(512))),
    ] {
        vectors.rejected(name, line.as_bytes(), read, "no slip");
    }
    vectors.finish();
}

#[test]
fn a_slip_is_of_its_network_counter_head_and_key() {
    let key = SigningKey::from_seed(&[5; 32]).public_key();
    let bends: [fn(&mut Slip); 3] = [
        |slip| slip.network = medanchor_ledger::NetworkId::new([0; 16]),
        |slip| slip.counter += 1,
        |slip| slip.head = JournalHead::EMPTY,
    ];
    for bend in bends {
        let mut bent = slip();
        bend(&mut bent);
        assert!(!bent.is_signed_by(&key));
    }
    let other = SigningKey::from_seed(&[6; 32]).public_key();
    assert!(!slip().is_signed_by(&other));
}
