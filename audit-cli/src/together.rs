//! Observers counted together: who told the same of the same place.
//!
//! What always holds: a key counts once for a subject, however many files it signed and whatever names it has;
//! each stands there with its own time.

use crate::observed::{Subject, Told};
use medanchor_ledger::note::VerifierKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An observer of a subject, and its times.
struct Observer<'t> {
    key: &'t VerifierKey,
    seconds: Vec<u64>,
}

type Observers<'t> = BTreeMap<&'t [u8], Observer<'t>>;

fn count(told: &[Told]) -> BTreeMap<&Subject, Observers<'_>> {
    let mut subjects: BTreeMap<&Subject, Observers<'_>> = BTreeMap::new();
    for one in told {
        let key = &one.observer;
        let observers = subjects.entry(&one.subject).or_default();
        let observer = observers.entry(key.key().as_bytes());
        let seconds = Vec::new();
        let observer = observer.or_insert(Observer { key, seconds });
        observer.seconds.push(one.seconds);
        observer.seconds.sort_unstable();
        observer.seconds.dedup();
    }
    subjects
}

/// How many observers told each thing, for people.
pub(crate) fn text(told: &[Told]) -> String {
    let mut text = String::new();
    for (subject, observers) in count(told) {
        text += &format!(
            "TOGETHER: {} of {}, which served {}: witnessed by the named observers ({} of them)\n",
            subject.kind.name(),
            subject.of,
            subject.served,
            observers.len()
        );
        for Observer { key, seconds } in observers.values() {
            let times: Vec<String> = seconds.iter().map(ToString::to_string).collect();
            let (name, id, times) = (key.name(), key.id(), times.join(", "));
            text += &format!("  observer          {name}+{id}, at {times} s since 1970\n");
        }
    }
    text
}

/// The same for programs.
pub(crate) fn value(told: &[Told]) -> Value {
    let subjects = count(told);
    let subjects = subjects.iter().map(|(subject, observers)| {
        let each = observers.values().map(|Observer { key, seconds }| {
            json!({ "name": key.name().to_string(), "id": key.id().to_string(), "seconds": seconds })
        });
        json!({
            "network": subject.network,
            "kind": subject.kind.name(),
            "of": subject.of,
            "served": subject.served,
            "observers": each.collect::<Vec<_>>(),
            "count": observers.len(),
        })
    });
    subjects.collect()
}
