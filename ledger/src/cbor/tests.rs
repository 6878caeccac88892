use super::*;
use proptest::prelude::*;
use std::fmt;

fn fault<T: fmt::Debug>(result: Result<T, CborError>) -> CborFault {
    result.unwrap_err().fault
}

#[test]
fn heads_longer_than_they_need_be_are_refused() {
    for bytes in [
        &[0x18, 0x17][..],
        &[0x19, 0x00, 0xff],
        &[0x1a, 0x00, 0x00, 0xff, 0xff],
        &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert_eq!(
            fault(Reader::new(bytes).uint()),
            CborFault::NotMinimal,
            "{bytes:02x?}"
        );
    }
}

#[test]
fn indefinite_lengths_and_reserved_heads_are_refused() {
    for byte in [0x1c, 0x1d, 0x1e, 0x1f, 0x5f, 0x7f, 0x9f, 0xbf, 0xff] {
        assert_eq!(
            fault(Reader::new(&[byte]).uint()),
            CborFault::Indefinite,
            "{byte:02x}"
        );
    }
}

#[test]
fn every_truncation_of_a_number_is_refused() {
    let whole = [0x1b, 1, 0, 0, 0, 0, 0, 0, 0];
    for end in 0..whole.len() {
        assert_eq!(
            fault(Reader::new(&whole[..end]).uint()),
            CborFault::Truncated
        );
    }
    assert_eq!(Reader::new(&whole).uint().unwrap(), 1 << 56);
}

#[test]
fn a_string_longer_than_its_bytes_or_its_bound_is_refused() {
    assert_eq!(
        fault(Reader::new(&[0x43, 1, 2]).bytes(8)),
        CborFault::Truncated
    );
    assert_eq!(
        fault(Reader::new(&[0x43, 1, 2, 3]).bytes(2)),
        CborFault::Size
    );
    let huge = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(
        fault(Reader::new(&huge).bytes(usize::MAX)),
        CborFault::Truncated
    );
    assert_eq!(
        fault(Reader::new(&[0x42, 1, 2]).fixed::<3>()),
        CborFault::Size
    );
}

#[test]
fn text_must_be_utf8() {
    assert_eq!(fault(Reader::new(&[0x61, 0xff]).text(8)), CborFault::Text);
}

#[test]
fn keys_come_in_order_without_strangers_or_repeats() {
    let wanted = CborFault::Key { wanted: 2 };
    for second in [0x01, 0x03, 0x41] {
        let bytes = [0xa2, 0x01, 0x00, second, 0x00];
        let mut reader = Reader::new(&bytes);
        reader.map(2).unwrap();
        reader.key(1).unwrap().uint().unwrap();
        assert_eq!(fault(reader.key(2)), wanted, "{second:02x}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut reader = Reader::new(&[0x01, 0x02]);
    reader.uint().unwrap();
    assert_eq!(
        reader.finish().unwrap_err(),
        CborError {
            at: 1,
            fault: CborFault::Trailing
        }
    );
}

#[test]
fn signed_integers_outside_64_bits_are_refused() {
    let lowest = [0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(Reader::new(&lowest).int().unwrap(), i64::MIN);
    let below = [0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(fault(Reader::new(&below).int()), CborFault::Range);
}

#[test]
fn simple_values_are_true_false_and_null_only() {
    assert!(Reader::new(&[0xf5]).bool().unwrap());
    assert!(!Reader::new(&[0xf4]).bool().unwrap());
    assert!(Reader::new(&[0xf6]).null());
    let wanted = CborFault::Type {
        wanted: Kind::Simple,
    };
    assert_eq!(fault(Reader::new(&[0xf7]).bool()), wanted);
    assert_eq!(fault(Reader::new(&[0xf9, 0x3c, 0x00]).bool()), wanted);
}

proptest! {
    #[test]
    fn numbers_survive(unsigned: u64, signed: i64) {
        let mut writer = Writer::new();
        writer.uint(unsigned).int(signed);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.uint().unwrap(), unsigned);
        prop_assert_eq!(reader.int().unwrap(), signed);
        reader.finish().unwrap();
    }

    #[test]
    fn an_accepted_number_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..10)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(value) = reader.int() {
            let mut writer = Writer::new();
            writer.int(value);
            prop_assert_eq!(writer.into_bytes(), &bytes[..reader.position()]);
        }
    }
}
