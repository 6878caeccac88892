//! What a disclosure shows, what it withholds, and that nothing altered is believed.

use medanchor_vault::secret::RecordSecret;
use medanchor_vault::{Committed, Disclosure, DisclosureError, Document, Pointer, Token, Value};
use proptest::prelude::*;

fn secret() -> RecordSecret {
    RecordSecret::new([7; 32])
}

fn names(names: &[&str]) -> Pointer {
    Pointer::new(
        names
            .iter()
            .map(|name| Token::Name((*name).into()))
            .collect(),
    )
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_choice_of_fields_of_any_document_verifies(value in json(), mask in any::<u64>()) {
        let bytes = value.to_string();
        let document = Document::parse(bytes.as_bytes()).unwrap();
        let committed = Committed::new(&document, &secret());
        let chosen: Vec<String> = document.leaves().iter().enumerate()
            .filter(|(place, _)| mask >> (place % 64) & 1 == 1)
            .map(|(_, leaf)| leaf.pointer.to_string()).collect();
        prop_assume!(!chosen.is_empty());
        let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
        let encoded = committed.disclose(&chosen, &[]).unwrap().encode();
        let decoded = Disclosure::decode(&encoded).unwrap();
        prop_assert_eq!(decoded.encode(), encoded);
        let shown = decoded.verify(&committed.commitment()).unwrap();
        for text in chosen {
            prop_assert!(shown.value(text).is_some());
        }
    }

    #[test]
    fn absence_is_shown_exactly_when_it_holds(value in json(), path in prop::collection::vec(".{0,3}", 1..3)) {
        let bytes = value.to_string();
        let document = Document::parse(bytes.as_bytes()).unwrap();
        let committed = Committed::new(&document, &secret());
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let pointer = names(&path);
        let there = document.leaves().iter().any(|leaf| leaf.pointer.is_at_or_below(&pointer));
        match committed.disclose(&[], std::slice::from_ref(&pointer)) {
            Ok(disclosure) => {
                prop_assert!(!there);
                let shown = Disclosure::decode(&disclosure.encode()).unwrap().verify(&committed.commitment()).unwrap();
                prop_assert!(shown.absent(&pointer) && shown.fields().is_empty());
            }
            Err(error) => {
                prop_assert!(there);
                prop_assert_eq!(error, DisclosureError::Present { request: 0 });
            }
        }
    }

    #[test]
    fn noise_is_refused_without_a_crash(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Disclosure::decode(&noise).is_err());
    }
}

const TEXT: &[u8] = br#"{"a":1,"b":{"c":"two","d":[true,null]},"e":"Zhang San"}"#;

#[test]
fn every_flipped_bit_of_a_disclosure_is_refused() {
    let document = Document::parse(TEXT).unwrap();
    let committed = Committed::new(&document, &secret());
    let good = committed
        .disclose(&["/b/c"], &[names(&["b", "zz"])])
        .unwrap()
        .encode();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let result = Disclosure::decode(&bad)
            .and_then(|disclosure| disclosure.verify(&committed.commitment()));
        assert!(result.is_err(), "bit {bit}");
    }
}

#[test]
fn a_disclosure_of_another_version_proves_nothing() {
    let document = Document::parse(TEXT).unwrap();
    let other = Committed::new(&document, &RecordSecret::new([8; 32])).commitment();
    let disclosure = Committed::new(&document, &secret())
        .disclose(&["/a"], &[])
        .unwrap();
    assert_eq!(
        disclosure.verify(&other).err(),
        Some(DisclosureError::Unproven)
    );
}

#[test]
fn a_branch_is_shown_whole_and_its_neighbours_not_at_all() {
    let document = Document::parse(TEXT).unwrap();
    let committed = Committed::new(&document, &secret());
    let encoded = committed.disclose(&["/b"], &[]).unwrap().encode();
    let holds = |needle: &[u8]| encoded.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"two") && !holds(b"Zhang"));
    let shown = Disclosure::decode(&encoded)
        .unwrap()
        .verify(&committed.commitment())
        .unwrap();
    assert_eq!(shown.fields().len(), 3);
    assert!(shown.value("/b/d/1") == Some(&Value::Null));
    assert!(
        !shown.absent(&names(&["a"])),
        "what was not shown is not absent"
    );
}

#[test]
fn absence_shows_the_neighbours_names_and_not_their_values() {
    let document = Document::parse(TEXT).unwrap();
    let committed = Committed::new(&document, &secret());
    let encoded = committed.disclose(&[], &[names(&["d"])]).unwrap().encode();
    assert!(!encoded.windows(5).any(|window| window == b"Zhang"));
    let shown = Disclosure::decode(&encoded)
        .unwrap()
        .verify(&committed.commitment())
        .unwrap();
    assert!(shown.absent(&names(&["d"])));
    assert!(!shown.absent(&names(&["e"])) && !shown.absent(&names(&["b"])));
}

#[test]
fn asking_for_nothing_or_for_what_is_not_there_is_refused() {
    let document = Document::parse(TEXT).unwrap();
    let committed = Committed::new(&document, &secret());
    assert_eq!(
        committed.disclose(&[], &[]).err(),
        Some(DisclosureError::Amount)
    );
    assert_eq!(
        committed.disclose(&["/a", "/x"], &[]).err(),
        Some(DisclosureError::NoSuchField { request: 1 })
    );
}
