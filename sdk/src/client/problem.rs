//! What a node answers when it refuses: an RFC 9457 problem document.
//!
//! What always holds: a node is not trusted with the reader's terminal or memory: every text is cut
//! to a bound and has no control characters. A winner named here is a claim of the node until its
//! receipt is verified.

use medanchor_ledger::EventId;
use medanchor_vault::custody::signed::MAX_MESSAGE;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// The longest text taken over from a problem document, in characters.
pub const MAX_TEXT: usize = 400;
/// The longest receipt taken over, in bytes.
pub const MAX_RECEIPT: usize = 64 << 10;
/// The longest signed refusal taken over, in hexadecimal digits.
pub const MAX_REFUSAL: usize = 2 * MAX_MESSAGE;
/// The longest pause that a node can ask for.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A refusal by a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem this is, for programs; it never changes. Empty if the node gave none.
    pub code: String,
    /// What kind of problem this is, for people.
    pub title: String,
    /// What happened and what to do.
    pub detail: String,
    /// The ledger's rule that was broken, such as `prescription.over-ordered-quantity`.
    pub rule: Option<String>,
    /// Whose fault it is.
    pub fault: Option<String>,
    /// The event that this is about.
    pub event: Option<EventId>,
    /// The event that won against it.
    pub winner: Option<EventId>,
    /// The winner's receipt, as the node gave it: not verified yet.
    pub winner_receipt: Option<String>,
    /// A record's owner's refusal, as it signed it: not verified yet.
    pub refusal: Option<Vec<u8>>,
    /// How long the node asks to wait before the next try; at most a minute.
    pub retry_after: Option<Duration>,
}

/// The members of the document; others are ignored, as RFC 9457 3.2 asks.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    rule: Option<String>,
    fault: Option<String>,
    event: Option<String>,
    winner: Option<String>,
    winner_receipt: Option<String>,
    refusal: Option<String>,
    status: Option<u16>,
}

impl Problem {
    /// Reads a problem document; a body that is none gives a problem with the status alone.
    pub(crate) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let document: Document = serde_json::from_slice(body).unwrap_or_default();
        Self {
            retry_after,
            ..Self::of(status, document)
        }
    }

    /// A problem document inside another answer, which carries its own status.
    pub(super) fn inside(document: Document) -> Option<Self> {
        let status = document.status?;
        Some(Self::of(status, document))
    }

    fn of(status: u16, document: Document) -> Self {
        let id = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Self {
            status,
            code: plain(document.code.unwrap_or_default()),
            title: plain(document.title.unwrap_or_default()),
            detail: plain(document.detail.unwrap_or_default()),
            rule: document.rule.map(plain),
            fault: document.fault.map(plain),
            event: id(document.event),
            winner: id(document.winner),
            winner_receipt: document
                .winner_receipt
                .filter(|text| text.len() <= MAX_RECEIPT),
            refusal: document
                .refusal
                .filter(|text| text.len() <= MAX_REFUSAL)
                .and_then(|text| hex::decode(text).ok()),
            retry_after: None,
        }
    }

    /// Whether the same request may succeed a little later or at another node.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502..=504)
    }
}

/// One line, without control characters, and bounded.
pub(crate) fn plain(text: String) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let printable = |c: &char| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(printable)
        .map(shown)
        .take(MAX_TEXT)
        .collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.rule.as_ref().unwrap_or(&self.code);
        match (code.is_empty(), self.detail.is_empty()) {
            (true, true) => write!(f, "status {}", self.status),
            (_, false) if self.detail.starts_with(code.as_str()) => f.write_str(&self.detail),
            (true, false) => f.write_str(&self.detail),
            (false, true) => write!(f, "{code}: {}", self.title),
            (false, false) => write!(f, "{code}: {}", self.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_a_problem_document_are_read() {
        let winner = "aa".repeat(32);
        let body = format!(
            r#"{{"type":"about:blank","title":"Refused by a rule","status":409,"code":"rule-broken",
               "detail":"lost","rule":"prescription.claim-number","winner":"{winner}","more":[1]}}"#
        );
        let problem = Problem::read(409, body.as_bytes(), Some(Duration::from_secs(2)));
        assert_eq!(problem.rule.as_deref(), Some("prescription.claim-number"));
        assert_eq!(problem.winner, winner.parse().ok());
        assert_eq!(problem.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(problem.to_string(), "prescription.claim-number: lost");
        assert!(!problem.may_pass_later());
    }

    #[test]
    fn a_body_that_is_no_problem_document_leaves_the_status() {
        for body in [&b"<html>"[..], b"", b"[1]", b"{\"code\":7}", &[0xff; 9]] {
            let problem = Problem::read(503, body, None);
            assert_eq!(problem.to_string(), "status 503");
            assert!(problem.may_pass_later());
        }
    }

    #[test]
    fn a_node_cannot_write_to_the_terminal_or_fill_the_memory() {
        let body = serde_json::json!({ "code": "x", "detail": format!("\u{1b}[2J\r\n\u{202e}{}", "a".repeat(9000)) });
        let problem = Problem::read(400, body.to_string().as_bytes(), None);
        assert!(!problem.detail.contains(char::is_control) && !problem.detail.contains('\u{202e}'));
        assert_eq!(problem.detail.chars().count(), MAX_TEXT);
    }
}
