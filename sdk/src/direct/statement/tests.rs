use super::*;

const NOW: Time = Time(1_800_000_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn name(text: &str) -> ParticipantName {
    text.parse().unwrap()
}

fn statement() -> Statement {
    Statement {
        network: NetworkId::new([1; 16]),
        from: name("north-hospital"),
        to: name("first-custodian"),
        channel: TlsKeyHash::new([2; 32]),
        time: NOW,
        nonce: Nonce::new([3; 16]),
        ask: Ask::Deal,
        body: b"a deal".to_vec(),
    }
}

fn verified(bytes: &[u8], expected: &Expected<'_>) -> Result<Statement, StatementError> {
    Statement::verify(bytes, expected, |from, id| {
        let known = key(7).public_key();
        (*from == name("north-hospital") && *id == known.id()).then_some(known)
    })
    .map(|(statement, _)| statement)
}

fn expected(to: &ParticipantName) -> Expected<'_> {
    Expected {
        network: NetworkId::new([1; 16]),
        to,
        channel: TlsKeyHash::new([2; 32]),
        now: NOW,
        ask: Ask::Deal,
    }
}

#[test]
fn a_statement_is_what_was_signed() {
    let bytes = statement().sign(&key(7));
    let to = name("first-custodian");
    assert_eq!(verified(&bytes, &expected(&to)).unwrap(), statement());
}

#[test]
fn everything_that_is_expected_is_checked() {
    let bytes = statement().sign(&key(7));
    let (to, other) = (name("first-custodian"), name("second-custodian"));
    let right = expected(&to);
    let refused = |expected: Expected<'_>| verified(&bytes, &expected).unwrap_err();
    let network = NetworkId::new([9; 16]);
    assert_eq!(
        refused(Expected { network, ..right }),
        StatementError::OtherNetwork {
            found: NetworkId::new([1; 16])
        }
    );
    assert_eq!(refused(expected(&other)), StatementError::OtherReceiver);
    let channel = TlsKeyHash::new([9; 32]);
    assert_eq!(
        refused(Expected { channel, ..right }),
        StatementError::Channel
    );
    let ask = Ask::Release;
    assert_eq!(refused(Expected { ask, ..right }), StatementError::Ask);
    for now in [Time(NOW.0 - MAX_SKEW - 1), Time(NOW.0 + MAX_SKEW + 1)] {
        assert_eq!(refused(Expected { now, ..right }), StatementError::Time);
    }
    let now = Time(NOW.0 + MAX_SKEW);
    assert!(verified(&bytes, &Expected { now, ..right }).is_ok());
}

#[test]
fn an_unknown_key_and_a_forged_name_are_refused() {
    let to = name("first-custodian");
    let unknown = verified(&statement().sign(&key(8)), &expected(&to)).unwrap_err();
    assert!(matches!(unknown, StatementError::UnknownKey));
    let forged = Statement {
        from: name("south-hospital"),
        ..statement()
    };
    let unknown = verified(&forged.sign(&key(7)), &expected(&to)).unwrap_err();
    assert!(matches!(unknown, StatementError::UnknownKey));
}

#[test]
fn no_bit_can_be_changed_and_no_byte_cut_or_added() {
    let bytes = statement().sign(&key(7));
    let to = name("first-custodian");
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(verified(&bad, &expected(&to)).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(verified(&bytes[..length], &expected(&to)).is_err());
    }
    assert!(verified(&[bytes.as_slice(), &[0]].concat(), &expected(&to)).is_err());
}

#[test]
fn a_body_beyond_the_bound_is_refused_unread() {
    let long = Statement {
        body: vec![0; MAX_STATEMENT],
        ..statement()
    };
    let to = name("first-custodian");
    assert_eq!(
        verified(&long.sign(&key(7)), &expected(&to)),
        Err(StatementError::TooLong)
    );
}

#[test]
fn the_encoding_is_frozen() {
    let bytes = statement().sign(&key(7));
    assert_eq!(bytes.len(), 245);
    assert_eq!(
        hex::encode(sha256(&[&bytes])),
        "df7321e29ded9bfd7e4f3d124f27427c4d2852d466474f77ca954fcd87f583bf"
    );
}
