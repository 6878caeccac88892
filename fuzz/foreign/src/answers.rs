//! What the SDK reads of a node's answers: what became of events, refusals, values, proofs. The node may
//! say what it likes.

use crate::documents::{ACCESSES, DECIDED, HISTORIES, POLICY, STATES, decided, keys, must_be_so};
use crate::facts::file;
use crate::{Seeds, Target};
use medanchor_ledger::document::{AccessReceipt, HistoryPage};
use medanchor_ledger::event::Event;
use medanchor_ledger::rules::{Record, Request, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, Tag};
use medanchor_sdk::client::testing::{self, Item, MAX_RECEIPT, MAX_REFUSAL, MAX_TEXT};
use medanchor_sdk::{Problem, Trust, verify_history};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What a node says of a frozen event: taken, waiting, refused, and these three as the answer to a batch.
const ANSWERS: Seeds = Seeds::of("vectors/event", "prescription", ".hex").holding(|_, bytes| {
    let Ok(event) = Event::decode(&bytes) else {
        return Vec::new();
    };
    let (id, rule) = (event.id(), "prescription.claim-number");
    let taken = format!(r#"{{"id":"{id}","status":"pooled"}}"#);
    let waits = format!(r#"{{"id":"{id}","status":"waiting","rule":"{rule}","detail":"later"}}"#);
    let refused = format!(
        r#"{{"id":"{id}","status":"refused","problem":{}}}"#,
        problem_of(&id)
    );
    let results = format!("[{taken},{waits},{refused}]");
    let batch = format!(r#"{{"accepted":2,"refused":1,"results":{results}}}"#);
    let all = [taken, waits, refused, batch];
    all.map(String::into_bytes).into()
});

/// Refusals with a winner and its frozen receipt, and with a record's owner's signed refusal.
const PROBLEMS: Seeds = Seeds::of("vectors/event", "prescription", ".hex").holding(|_, bytes| {
    let event = Event::decode(&bytes).ok();
    let problem = event.map(|event| problem_of(&event.id()).into_bytes());
    problem.into_iter().collect()
});

/// Values of the state as a node says them, and that there is none.
const VALUES: [Seeds; 2] = [valued("re"), valued("consent")];

const fn valued(start: &'static str) -> Seeds {
    Seeds::of("vectors/value", start, ".hex").holding(|_, value| {
        let digits = hex::encode(value);
        let known = format!(r#"{{"height":7,"value":"{digits}"}}"#);
        let none = r#"{"height":7,"value":null}"#.to_owned();
        vec![known.into_bytes(), none.into_bytes()]
    })
}

pub(crate) const TARGETS: &[Target] = &[
    Target::new("node-answer", &[ANSWERS], answer).holding(128),
    Target::new("node-problem", &[PROBLEMS], problem).holding(64),
    Target::new("node-value", &VALUES, value).holding(64),
    Target::new("node-state", &[STATES], state).holding(64),
    Target::new("node-history", &[HISTORIES], history).holding(64),
    Target::new("node-access", &[ACCESSES], access).holding(64),
];

/// The client's one policy, by which the frozen documents are judged.
static TRUST: LazyLock<Trust> = LazyLock::new(|| POLICY.clone().into());

/// The keys and the requests of which the good documents speak.
static ASKED: LazyLock<(BTreeSet<Vec<u8>>, BTreeSet<EventId>)> = LazyLock::new(|| {
    let events = DECIDED.iter().map(|(event, _)| *event).collect();
    (keys(), events)
});

pub(crate) fn prepare() {
    LazyLock::force(&TRUST);
    LazyLock::force(&ASKED);
}

fn problem_of(winner: &EventId) -> String {
    let text = String::from_utf8(file("receipt/good-only-entry.tlog-proof")).expect("text");
    let receipt = text.replace('\n', "\\n");
    let refusal = hex::encode(file("custody/good-refusal.cbor"));
    let parts = [
        r#"{"type":"about:blank","title":"Refused by a rule","status":409,"code":"rule-broken","#,
        r#""detail":"it came too late","rule":"prescription.claim-number","fault":"rival","#,
        &format!(r#""event":"{winner}","winner":"{winner}","winner_receipt":"{receipt}","#),
        &format!(r#""refusal":"{refusal}"}}"#),
    ];
    parts.concat()
}

/// What is shown of a node's words: one line that cannot write over others, and bounded.
fn check_text(text: &str) {
    assert!(text.chars().count() <= MAX_TEXT, "an unbounded text");
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let tame = |c: char| !c.is_control() && !turns(c);
    assert!(text.chars().all(tame), "it writes to the terminal");
}

fn check_problem(problem: &Problem) {
    let texts = [&problem.code, &problem.title, &problem.detail];
    let more = [&problem.rule, &problem.fault];
    for text in texts.into_iter().chain(more.into_iter().flatten()) {
        check_text(text);
    }
    assert!(problem.to_string().chars().count() <= 2 * MAX_TEXT + 2);
    let receipt = problem.winner_receipt.as_ref().map_or(0, String::len);
    let refusal = problem.refusal.as_ref().map_or(0, Vec::len);
    assert!(receipt <= MAX_RECEIPT && 2 * refusal <= MAX_REFUSAL);
}

fn check_item(item: &Item) {
    match item {
        Item::Accepted(_, rule) => rule.iter().for_each(|rule| check_text(rule)),
        Item::Anchored(_) => panic!("JSON is no receipt"),
        Item::Problem(problem) => check_problem(problem),
    }
}

/// The answer to one event, or to as many as it has results for.
fn answer(bytes: &[u8]) -> bool {
    let receipt = testing::item("text/plain", bytes);
    assert!(matches!(receipt, Some(Item::Anchored(kept)) if kept == bytes));
    let one = testing::item("application/json", bytes);
    one.iter().for_each(check_item);
    testing::rule(bytes)
        .iter()
        .for_each(|rule| check_text(rule));
    let batches = (0..=4).filter_map(|count| Some((count, testing::batch(bytes, count)?)));
    let mut read = 0;
    for (count, batch) in batches {
        assert_eq!(batch.len(), count, "one result for each event");
        batch.iter().for_each(check_item);
        read += 1;
    }
    assert!(read <= 1, "one answer to batches of two lengths");
    one.is_some() || read > 0
}

/// Whatever a refusal holds, its status is the one that came with it.
fn problem(bytes: &[u8]) -> bool {
    let problem = testing::problem(418, bytes);
    check_problem(&problem);
    assert_eq!((problem.status, problem.retry_after), (418, None));
    !problem.code.is_empty()
}

/// A value that was read stands there in its one encoding.
fn value(bytes: &[u8]) -> bool {
    fn one<T: StateValue>(bytes: &[u8]) -> bool {
        let Some(read) = testing::value::<T>(bytes) else {
            return false;
        };
        let digits = read.map(|value| hex::encode(value.encode()));
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        // JSON may write any character by its number.
        let stands = |digits: &String| text.contains('\\') || text.contains(digits);
        assert!(digits.as_ref().is_none_or(stands), "another value");
        digits.is_some()
    }
    one::<Record>(bytes) | one::<Request>(bytes)
}

/// Proved is what was asked for, at the height that was asked for, and true.
fn state(bytes: &[u8]) -> bool {
    let mut taken = false;
    for key in &ASKED.0 {
        let key = StateKey::new(key).expect("a frozen key");
        let Some(proved) = testing::state(&TRUST, &key, None, bytes) else {
            continue;
        };
        assert_eq!((proved.document(), &proved.proved().key), (bytes, &key));
        let height = proved.proved().height;
        assert!(testing::state(&TRUST, &key, Some(height), bytes).is_some());
        assert!(testing::state(&TRUST, &key, Some(height.next()), bytes).is_none());
        must_be_so(proved.proved());
        taken = true;
    }
    taken
}

/// The pages come one by one; what they prove together is what their file proves.
fn history(bytes: &[u8]) -> bool {
    let mut pages = Vec::new();
    let mut rest = bytes;
    while let Ok((_, length)) = HistoryPage::decode_first(rest) {
        let (page, after) = rest.split_at(length);
        pages.push(page);
        rest = after;
    }
    pages.push(rest);
    let (owner, tag) = ("north-hospital".parse().expect("a name"), Tag::new([1; 16]));
    let Some(history) = testing::history(&TRUST, &owner, &tag, &pages) else {
        return false;
    };
    assert!(bytes.starts_with(history.document()));
    assert_eq!(history.links().len() as u64, history.proved().count);
    assert!([0, 6].contains(&history.proved().count), "never so many");
    let file = verify_history(&*POLICY, &owner, &tag, history.document());
    assert_eq!(file.ok(), Some(history), "pages, or their file");
    true
}

/// A decision is on the request that was asked about, and as it was taken.
fn access(bytes: &[u8]) -> bool {
    let about = AccessReceipt::decode(bytes).ok();
    let about = about.map(|receipt| receipt.event.id());
    let mut taken = false;
    for event in &ASKED.1 {
        let Some(proved) = testing::access(&TRUST, event, bytes) else {
            continue;
        };
        assert_eq!((proved.document(), Some(*event)), (bytes, about));
        let found = decided(proved.proved().clone());
        assert!(
            found.0 == *event && DECIDED.contains(&found),
            "never decided so"
        );
        taken = true;
    }
    taken
}
