//! What is read, what is refused, and in which order the leaves come.

use super::*;

fn shape(text: &str) -> Vec<(String, u8, String)> {
    let document =
        Document::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let show = |leaf: &Leaf| {
        let bytes = String::from_utf8(leaf.value.bytes().to_vec()).unwrap_or_default();
        (leaf.pointer.to_string(), leaf.value.kind(), bytes)
    };
    document.leaves().iter().map(show).collect()
}

fn refusal(bytes: &[u8]) -> JsonError {
    Document::parse(bytes)
        .err()
        .unwrap_or_else(|| panic!("{bytes:?} was read"))
}

#[test]
fn leaves_come_sorted_by_pointer_with_places_in_number_order() {
    let items = (0..11).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let leaves = shape(&format!(r#"{{"b":[{items}],"a":1}}"#));
    assert_eq!(leaves[0].0, "/a");
    assert_eq!(leaves[3].0, "/b/2");
    assert_eq!(leaves[11].0, "/b/10");
}

#[test]
fn a_number_is_its_literal_text() {
    assert_eq!(shape("1.50"), [(String::new(), 3, "1.50".into())]);
    assert_eq!(shape("-0.0E+1")[0].2, "-0.0E+1");
    assert_eq!(shape("123456789012345678901234567890")[0].2.len(), 30);
}

#[test]
fn a_string_is_decoded_text() {
    assert_eq!(shape(r#""\u4e2d\ud83d\ude00\n""#)[0].2, "中😀\n");
}

#[test]
fn empty_containers_are_values_and_full_ones_are_not() {
    assert_eq!(
        shape(r#"{"a":[],"b":{},"c":[{}]}"#)
            .iter()
            .map(|leaf| leaf.1)
            .collect::<Vec<_>>(),
        [5, 6, 6]
    );
    assert_eq!(shape("[]")[0].1, 5);
}

#[test]
fn a_member_named_twice_is_refused_even_when_its_leaves_differ() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"x":1},"a":{"y":1}}"#,
        r#"[{"a":1,"\u0061":2}]"#,
    ] {
        assert!(
            matches!(refusal(text.as_bytes()), JsonError::DuplicateMember { .. }),
            "{text}"
        );
    }
}

#[test]
fn texts_that_are_not_json_are_refused_with_their_place() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1 2",
        "+1",
        "nul",
        "NaN",
        "\"\u{1}\"",
        "\"\\ud800\"",
        "\"a",
        "{a:1}",
        "//x\n1",
        "'a'",
    ] {
        assert!(
            matches!(refusal(text.as_bytes()), JsonError::Syntax { .. }),
            "{text}"
        );
    }
    assert!(matches!(refusal(b"\"\xff\""), JsonError::Syntax { .. }));
    assert_eq!(refusal(b"\xEF\xBB\xBF1"), JsonError::ByteOrderMark);
}

#[test]
fn bounds_are_kept_at_their_edges() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Document::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(matches!(
        refusal(nested(MAX_DEPTH + 1).as_bytes()),
        JsonError::TooLarge { .. }
    ));
    assert!(matches!(
        refusal(nested(1_000_000).as_bytes()),
        JsonError::TooLarge { .. }
    ));
    let named = |length: usize| format!("{{\"{}\":1}}", "n".repeat(length));
    assert!(Document::parse(named(Pointer::MAX_ENCODED - 5).as_bytes()).is_ok());
    assert!(matches!(
        refusal(named(Pointer::MAX_ENCODED - 4).as_bytes()),
        JsonError::TooLarge { .. }
    ));
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert!(Document::parse(list(MAX_LEAVES).as_bytes()).is_ok());
    assert!(matches!(
        refusal(list(MAX_LEAVES + 1).as_bytes()),
        JsonError::TooLarge { .. }
    ));
}

#[test]
fn an_error_shows_nothing_of_the_payload() {
    let text = format!("{:?}", refusal(b"{\"name\":\"Wang Xiaoming\", oops}"));
    assert!(!text.contains("Wang") && !text.contains("oops"), "{text}");
}

#[test]
fn a_value_reads_back_from_its_parts_and_no_other() {
    assert!(Value::from_parts(3, b"1.50") == Some(Value::Number("1.50".into())));
    for (kind, bytes) in [
        (3, b"01".as_slice()),
        (3, b" 1"),
        (3, b"1 "),
        (2, b"2"),
        (1, b"x"),
        (0, b"short"),
        (7, b""),
        (4, b"\xff"),
    ] {
        assert!(Value::from_parts(kind, bytes).is_none(), "{kind} {bytes:?}");
    }
}
