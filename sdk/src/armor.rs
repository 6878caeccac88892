//! Text that carries bytes from one party to another: a label, base64url, and a check against typos.
//!
//! What always holds: one value has one text; a text with another label, a character too many, or a
//! slip anywhere in it is refused. The check is against accidents; it proves nothing.
//!
//! ```text
//! text = label ":" base64url-without-padding(payload || SHA-256("medanchor/text/v1" || label || payload)[..4])
//! ```

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use medanchor_ledger::sha256;
use zeroize::Zeroizing;

/// Text that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an intact `{label}:` text; scan or copy the whole of it again")]
pub struct NotThatText {
    /// The label that such a text begins with.
    pub label: &'static str,
}

fn check(label: &str, payload: &[u8]) -> [u8; 4] {
    let hash = sha256(&[b"medanchor/text/v1", label.as_bytes(), payload]);
    std::array::from_fn(|n| hash[n]) // 4 of 32 bytes
}

pub(crate) fn to_text(label: &str, payload: &[u8]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(payload.len() + 4));
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&check(label, payload));
    // Reserved up front, so that no copy of a secret is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(
        label.len() + 2 + bytes.len().div_ceil(3) * 4,
    ));
    text.push_str(label);
    text.push(':');
    URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
    text
}

/// Reads what [`to_text`] gave; at most `max` bytes of payload.
pub(crate) fn from_text(
    label: &'static str,
    text: &str,
    max: usize,
) -> Result<Zeroizing<Vec<u8>>, NotThatText> {
    let wrong = NotThatText { label };
    let digits = text
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix(':'))
        .ok_or(wrong)?;
    if digits.len() > (max + 4).div_ceil(3) * 4 {
        return Err(wrong);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len()));
    URL_SAFE_NO_PAD
        .decode_vec(digits, &mut bytes)
        .map_err(|_| wrong)?;
    let (payload, found) = bytes.split_last_chunk::<4>().ok_or(wrong)?;
    if *found != check(label, payload) || payload.len() > max {
        return Err(wrong);
    }
    Ok(Zeroizing::new(payload.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_reads_back_and_no_slip_in_it_does(
            payload in prop::collection::vec(any::<u8>(), 0..80),
            place: prop::sample::Index,
            slip in "[A-Za-z0-9_-]",
        ) {
            let text = to_text("medanchor-x", &payload);
            prop_assert_eq!(from_text("medanchor-x", &text, 80).unwrap().to_vec(), payload);
            prop_assert!(from_text("medanchor-y", &text, 80).is_err());
            let mut wrong: Vec<char> = text.chars().collect();
            let at = place.index(wrong.len());
            let slip = slip.chars().next().unwrap();
            prop_assume!(wrong[at] != slip);
            wrong[at] = slip;
            let wrong: String = wrong.into_iter().collect();
            prop_assert!(from_text("medanchor-x", &wrong, 80).is_err());
        }

        #[test]
        fn anything_is_read_without_a_panic(text in "medanchor-x:?[A-Za-z0-9_=+/-]{0,40}.?") {
            let _ = from_text("medanchor-x", &text, 20);
        }
    }

    #[test]
    fn cut_padded_and_overlong_texts_are_refused() {
        let text = to_text("l", b"payload");
        for wrong in [
            &text[..text.len() - 1],
            &format!("{}=", *text),
            &format!(" {}", *text),
            "l:",
            "",
        ] {
            assert!(from_text("l", wrong, 80).is_err(), "{wrong}");
        }
        assert!(from_text("l", &text, 6).is_err());
    }
}
