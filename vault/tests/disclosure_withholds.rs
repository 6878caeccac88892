//! What a disclosure does not show is not in its bytes, in no form that a guess could be held against.

use medanchor_ledger::sha256;
use medanchor_vault::secret::RecordSecret;
use medanchor_vault::{Committed, Disclosure, Document, Value};
use proptest::prelude::*;

fn shown(committed: &Committed<'_>, fields: &[&str]) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let bytes = committed.disclose(fields, &[]).unwrap().encode();
    let proved = Disclosure::decode(&bytes).unwrap();
    let proved = proved.verify(&committed.commitment()).unwrap();
    let leaves = proved.fields().iter();
    let leaves = leaves.map(|leaf| (leaf.pointer.to_string(), leaf.value.bytes().to_vec()));
    (bytes, leaves.collect())
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Every hash of a value that somebody can make who has no salt: of the text, of text and type, with
/// and without the domains of the format, and of the whole document.
fn unsalted(kind: u8, value: &[u8]) -> Vec<[u8; 32]> {
    const VALUE: &[u8] = b"medanchor/value/v1";
    let digest = sha256(&[VALUE, &[kind], value]);
    let zeros = sha256(&[VALUE, &[0; 32], &[kind], value]);
    let mut hashes = vec![sha256(&[value]), sha256(&[&[kind], value]), digest, zeros];
    hashes.extend(hashes.clone().iter().map(|hash| sha256(&[&[0], hash])));
    hashes
}

proptest! {
    #[test]
    fn no_withheld_value_and_no_unsalted_hash_of_one_is_in_the_bytes(
        values in prop::collection::vec("[a-z]{12}|[0-9]{14}", 2..24),
        mask in any::<u32>(),
    ) {
        let members = values.iter().enumerate().map(|(place, value)| {
            let number = value.starts_with(|first: char| ('1'..='9').contains(&first));
            let literal = if number { value.clone() } else { format!("\"{value}\"") };
            format!("\"name-{place:02}\":[{literal}]")
        });
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        let document = Document::parse(text.as_bytes()).unwrap();
        let committed = Committed::new(&document, &RecordSecret::new([7; 32]));
        let is_shown = |place: usize| place == 0 || mask >> (place % 32) & 1 == 1;
        let names: Vec<String> = (0..values.len()).filter(|place| is_shown(*place))
            .map(|place| format!("/name-{place:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (bytes, leaves) = shown(&committed, &names);
        prop_assert_eq!(leaves.len(), names.len());
        for (place, leaf) in document.leaves().iter().enumerate().filter(|(place, _)| !is_shown(*place)) {
            let value = leaf.value.bytes();
            let also_shown = leaves.iter().any(|(_, shown)| shown == value);
            prop_assert!(also_shown || !holds(&bytes, value));
            let name = format!("name-{place:02}");
            prop_assert!(!holds(&bytes, name.as_bytes()));
            for hash in unsalted(leaf.value.kind(), value) {
                prop_assert!(!holds(&bytes, &hash));
            }
        }
        prop_assert!(!holds(&bytes, document.hash()));
    }
}

const PRESCRIPTION: &str = r#"{"resourceType":"MedicationRequest","status":"active",
"subject":{"reference":"Patient/4711","display":"张三"},"reasonCode":[{"text":"糖尿病"}],
"medicationCodeableConcept":{"coding":[{"system":"urn:oid:1.2.156","code":"86901","display":"二甲双胍"}]},
"dosageInstruction":[{"text":"饭后","doseAndRate":[{"doseQuantity":{"value":1.50,"unit":"mg"}}]}]}"#;

#[test]
fn drug_and_dose_are_shown_and_nothing_else() {
    let document = Document::parse(PRESCRIPTION.as_bytes()).unwrap();
    let committed = Committed::new(&document, &RecordSecret::new([7; 32]));
    let drug = "/medicationCodeableConcept/coding/0/code";
    let dose = "/dosageInstruction/0/doseAndRate/0/doseQuantity/value";
    let (bytes, leaves) = shown(&committed, &[drug, dose]);
    let wanted = [(dose, "1.50"), (drug, "86901")]
        .map(|(pointer, value)| (pointer.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(leaves, wanted);
    for withheld in [
        "张三",
        "4711",
        "糖尿病",
        "二甲双胍",
        "饭后",
        "mg",
        "reasonCode",
        "active",
    ] {
        assert!(!holds(&bytes, withheld.as_bytes()), "{withheld}");
    }
}

/// Numbers are their literal text, strings their decoded text, however large, deep or foreign.
#[test]
fn what_is_shown_is_what_was_written() {
    let deep = format!("{}\"x\"{}", "[".repeat(63), "]".repeat(63));
    let numbers = [
        "1.50",
        "-0",
        "-0.0",
        "1E400",
        "1e+2",
        "123456789012345678901234567890.10",
    ];
    let strings = [
        ("\"\\u00e9\\ud83d\\ude00\"", "é😀"),
        ("\"e\u{301}\"", "e\u{301}"),
        ("\"a\\/b~c\"", "a/b~c"),
        ("\"\"", ""),
    ];
    let literals = numbers
        .map(|number| (number, number))
        .into_iter()
        .chain(strings);
    let literals: Vec<_> = literals.collect();
    let text: Vec<&str> = literals.iter().map(|(literal, _)| *literal).collect();
    let text = format!("{{\"a~/ü\":[{}],\"deep\":{deep}}}", text.join(","));
    let document = Document::parse(text.as_bytes()).unwrap();
    let committed = Committed::new(&document, &RecordSecret::new([7; 32]));
    for (place, (_, value)) in literals.iter().enumerate() {
        let pointer = format!("/a~0~1ü/{place}");
        let (_, leaves) = shown(&committed, &[&pointer]);
        assert_eq!(leaves, [(pointer, value.as_bytes().to_vec())]);
    }
    let (_, leaves) = shown(&committed, &["/deep"]);
    assert_eq!(
        leaves,
        [(format!("/deep{}", "/0".repeat(63)), b"x".to_vec())]
    );
    assert!(matches!(
        document.leaves().last().map(|leaf| &leaf.value),
        Some(Value::String(_))
    ));
}
