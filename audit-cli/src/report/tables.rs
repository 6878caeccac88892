//! Which tables a report has.

use super::clock;
use super::gather::{Gathered, Institution};
use super::reviews::Waiting;
use super::spread::Spread;
use super::table::{Field, Table};
use super::words::Words;

/// All tables, in the order of the page.
pub(crate) struct Tables {
    pub(crate) institutions: Table,
    pub(crate) accesses: Table,
    pub(crate) reasons: Table,
    pub(crate) reviews: Table,
    pub(crate) timeline: Table,
    pub(crate) latency: Table,
    pub(crate) gaps: Table,
    pub(crate) silences: Table,
    pub(crate) validators: Table,
}

impl Tables {
    pub(crate) fn of(gathered: &Gathered, words: &Words) -> Self {
        Self {
            institutions: institutions(gathered, words),
            accesses: accesses(gathered, words),
            reasons: reasons(gathered, words),
            reviews: reviews(gathered, words),
            timeline: timeline(gathered),
            latency: latency(gathered, words),
            gaps: gaps(gathered, words),
            silences: silences(gathered, words),
            validators: validators(gathered, words),
        }
    }

    pub(crate) fn all(&self) -> [&Table; 9] {
        [
            &self.institutions,
            &self.timeline,
            &self.accesses,
            &self.reasons,
            &self.reviews,
            &self.latency,
            &self.gaps,
            &self.silences,
            &self.validators,
        ]
    }
}

fn titled(columns: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(code, title): &(&str, &str)| ((*code).to_owned(), (*title).to_owned());
    columns.iter().map(owned).collect()
}

fn name(institution: &Institution) -> Field {
    Field::Text(institution.name.clone())
}

/// A share in hundredths; floats are for people here, nothing is decided by them.
fn percent(part: u64, whole: u64) -> Field {
    match whole {
        0 => Field::Nothing,
        _ => Field::Percent(part as f64 * 100.0 / whole as f64),
    }
}

fn institutions(gathered: &Gathered, words: &Words) -> Table {
    let kinds: Vec<&'static str> = gathered.by_kind().into_keys().collect();
    let mut columns = titled(&[("institution", words.institution), ("roles", words.roles)]);
    for kind in &kinds {
        columns.push(((*kind).to_owned(), words.name(kind).to_owned()));
    }
    columns.push(("events".to_owned(), words.total.to_owned()));
    let row = |institution: &Institution| {
        let roles: Vec<&str> = institution
            .roles
            .iter()
            .map(|role| words.name(role))
            .collect();
        let count = |kind| institution.by_kind.get(kind).copied().unwrap_or(0);
        let mut row = vec![name(institution), Field::Text(roles.join(", "))];
        row.extend(kinds.iter().map(|kind| Field::Number(count(kind))));
        row.push(Field::Number(institution.events()));
        row
    };
    Table {
        name: "institutions",
        columns,
        rows: gathered.institutions.iter().map(row).collect(),
    }
}

fn accesses(gathered: &Gathered, words: &Words) -> Table {
    let asked = gathered
        .institutions
        .iter()
        .filter(|institution| institution.permitted + institution.denied > 0);
    let row = |institution: &Institution| {
        let (permitted, denied) = (institution.permitted, institution.denied);
        vec![
            name(institution),
            Field::Number(permitted),
            Field::Number(denied),
            percent(denied, permitted + denied),
        ]
    };
    Table {
        name: "accesses",
        columns: titled(&[
            ("institution", words.institution),
            ("permitted", words.permitted),
            ("denied", words.denied),
            ("denied_percent", words.share),
        ]),
        rows: asked.map(row).collect(),
    }
}

fn reasons(gathered: &Gathered, words: &Words) -> Table {
    let row = |(reason, count): (&&'static str, &u64)| {
        vec![Field::Code((*reason).to_owned()), Field::Number(*count)]
    };
    Table {
        name: "denials",
        columns: titled(&[("reason", words.reason), ("denied", words.denied)]),
        rows: gathered.reasons.iter().map(row).collect(),
    }
}

/// What waits for its review. A last row counts what is not listed, if anything is not.
fn reviews(gathered: &Gathered, words: &Words) -> Table {
    let zone = gathered.period.clock;
    let list = gathered.reviews.list();
    let row = |one: &Waiting<'_>| {
        let state = match one.overdue {
            true => Field::Alarm("overdue", words.review_overdue),
            false => Field::Alarm("open", words.review_open),
        };
        let (opened, due) = (one.opened, one.opened.review_by);
        vec![
            state,
            due.map_or(Field::Nothing, |due| Field::Text(zone.second(due))),
            Field::Text(one.requester.to_string()),
            Field::Text(opened.owner.to_string()),
            Field::Text(zone.second(opened.time)),
            Field::Number(opened.requested.index.0),
            Field::Text(one.request.to_string()),
        ]
    };
    let mut rows: Vec<Vec<Field>> = list.iter().map(row).collect();
    rows.extend(not_listed(gathered.reviews.not_listed(), words));
    Table {
        name: "reviews",
        columns: titled(&[
            ("state", words.review),
            ("due", words.review_due),
            ("requester", words.institution),
            ("owner", words.record_of),
            ("opened", words.opened),
            ("entry", words.entry),
            ("request", words.request),
        ]),
        rows,
    }
}

fn not_listed(count: u64, words: &Words) -> Option<Vec<Field>> {
    let mut row = vec![Field::Alarm("not-listed", words.reviews_not_listed)];
    row.extend([const { Field::Nothing }; 5]);
    row.push(Field::Text(count.to_string()));
    (count > 0).then_some(row)
}

/// For files: the page shows it as plots.
fn timeline(gathered: &Gathered) -> Table {
    let domains: Vec<&'static str> = gathered.by_domain().into_keys().collect();
    let mut columns = titled(&[("since", ""), ("milliseconds", "")]);
    columns.extend(
        domains
            .iter()
            .map(|domain| ((*domain).to_owned(), String::new())),
    );
    columns.extend(titled(&[("permitted", ""), ("denied", "")]));
    let width = u64::try_from(gathered.timeline.width()).unwrap_or(0);
    let rows = gathered.timeline.cells().map(|(since, cell)| {
        let count = |domain| cell.and_then(|cell| cell.by_domain.get(domain).copied());
        let mut row = vec![Field::Text(clock::full(since)), Field::Duration(width)];
        row.extend(
            domains
                .iter()
                .map(|domain| Field::Number(count(domain).unwrap_or(0))),
        );
        row.push(Field::Number(cell.map_or(0, |cell| cell.permitted)));
        row.push(Field::Number(cell.map_or(0, |cell| cell.denied)));
        row
    });
    Table {
        name: "timeline",
        columns,
        rows: rows.collect(),
    }
}

fn latency(gathered: &Gathered, words: &Words) -> Table {
    let row = |(code, title, spread): (&'static str, &'static str, &Spread)| {
        let at = |percent| {
            spread
                .percentile(percent)
                .map_or(Field::Nothing, Field::Duration)
        };
        vec![
            Field::Labelled(code, title),
            Field::Number(spread.count()),
            at(50),
            at(95),
            at(99),
            Field::Duration(spread.longest()),
        ]
    };
    let spreads = [
        ("block to quorum", words.latency, &gathered.latency),
        ("block to block", words.interval, &gathered.intervals),
    ];
    Table {
        name: "latency",
        columns: titled(&[
            ("what", words.kind),
            ("measured", words.measured),
            ("p50_ms", words.median),
            ("p95_ms", words.p95),
            ("p99_ms", words.p99),
            ("longest_ms", words.longest),
        ]),
        rows: spreads.into_iter().map(row).collect(),
    }
}

fn gaps(gathered: &Gathered, words: &Words) -> Table {
    let zone = gathered.period.clock;
    let rows = gathered.gaps.as_slice().iter().map(|gap| {
        vec![
            Field::Text(zone.second(gap.since)),
            Field::Duration(gap.millis),
            Field::Number(gap.height.0),
        ]
    });
    Table {
        name: "gaps",
        columns: titled(&[
            ("since", words.since),
            ("length_ms", words.length),
            ("ended_by_height", words.ended_by),
        ]),
        rows: rows.collect(),
    }
}

fn silences(gathered: &Gathered, words: &Words) -> Table {
    let zone = gathered.period.clock;
    let row = |institution: &Institution| {
        let last = institution.last.map(|last| Field::Text(zone.second(last)));
        vec![
            name(institution),
            Field::Number(institution.events()),
            last.unwrap_or(Field::Labelled("", words.never)),
            Field::Duration(institution.silence),
        ]
    };
    Table {
        name: "silences",
        columns: titled(&[
            ("institution", words.institution),
            ("events", words.events),
            ("last_event", words.last_event),
            ("longest_silence_ms", words.silence),
        ]),
        rows: gathered.institutions.iter().map(row).collect(),
    }
}

fn validators(gathered: &Gathered, words: &Words) -> Table {
    let rows = gathered.validators.iter().map(|(name, validator)| {
        vec![
            Field::Text(name.to_string()),
            Field::Number(validator.built),
            Field::Number(validator.cosigned),
        ]
    });
    Table {
        name: "validators",
        columns: titled(&[
            ("validator", words.validators),
            ("blocks_built", words.built),
            ("in_quorums_kept", words.in_quorums_kept),
        ]),
        rows: rows.collect(),
    }
}
