//! The report as one HTML page: no script, nothing fetched, made to be printed.

use super::clock;
use super::gather::{Gathered, Institution, Openings};
use super::plot::{self, Column, escape, grouped};
use super::spread::Spread;
use super::tables::Tables;
use super::words::Words;
use crate::opened::Log;
use medanchor_ledger::Time;

/// Ranges of the histogram of latencies, in seconds; the last one has no end.
const RANGES: [u64; 9] = [0, 1, 2, 3, 5, 10, 30, 60, 300];

/// What a page is made of.
pub(crate) struct Page<'r> {
    pub(crate) log: &'r Log,
    pub(crate) gathered: &'r Gathered,
    pub(crate) tables: &'r Tables,
    pub(crate) words: &'static Words,
    /// When the report is written.
    pub(crate) written: Time,
}

impl Page<'_> {
    /// The page.
    pub(crate) fn html(&self) -> String {
        let words = self.words;
        let sections = [
            self.rests(),
            self.tiles(),
            self.volume(),
            self.accesses(),
            self.break_glass(),
            self.latency(),
            self.gaps(),
            self.validators(),
            self.limits(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}: {origin}</title><style>{style}</style></head>\
             <body><h1>{title}</h1>{body}</body></html>\n",
            tag = words.tag,
            title = words.title,
            origin = escape(self.log.head().origin.as_str()),
            style = include_str!("page.css"),
            body = sections.concat(),
        )
    }

    fn rests(&self) -> String {
        let (words, head, genesis) = (self.words, self.log.head(), &self.log.genesis);
        let cosigners = self.log.checkpoint.cosigners();
        let names: Vec<&str> = cosigners
            .iter()
            .filter_map(|cosigner| cosigner.key.name().as_str().rsplit('/').next())
            .collect();
        let size = format!("{} {}", grouped(head.size.0), words.entries);
        let (validators, quorum) = self.log.validators();
        let signers = format!(
            "{} ({} / {validators} {} {quorum})",
            names.join(", "),
            names.len(),
            words.of_validators
        );
        let period = &self.gathered.period;
        let end = |day: Option<clock::Day>, open: &str| {
            day.map_or(open.to_owned(), |day| day.to_string())
        };
        let days = match (period.from, period.to) {
            (None, None) => words.whole_log.to_owned(),
            (from, to) => format!(
                "{} {} {}",
                end(from, words.beginning),
                words.to,
                end(to, words.now)
            ),
        };
        let blocks = &self.gathered.blocks;
        let shown =
            |time: Option<Time>| time.map_or(String::new(), |time| period.clock.second(time));
        let span = match (blocks.first, blocks.last) {
            (None, _) => days,
            (first, last) => format!("{days} ({} {} {})", shown(first), words.to, shown(last)),
        };
        let facts = [
            (words.network, head.origin.to_string()),
            (words.genesis, genesis.hash().to_string()),
            (words.checkpoint, size),
            (words.root, head.root.to_string()),
            (words.cosigned_by, signers),
            (words.period, span),
            (words.clock, period.clock.to_string()),
            (words.written, period.clock.second(self.written)),
        ];
        let facts = facts.map(|(what, fact)| format!("<dt>{what}</dt><dd>{}</dd>", escape(&fact)));
        section(
            words.rests,
            &format!("<p>{}</p><dl>{}</dl>", words.verified, facts.concat()),
        )
    }

    fn tiles(&self) -> String {
        let (words, gathered) = (self.words, self.gathered);
        let (permitted, denied) = gathered.accesses();
        let requests = permitted + denied;
        let share = match requests {
            0 => words.none.to_owned(),
            _ => format!("{:.1} %", denied as f64 * 100.0 / requests as f64),
        };
        let active = gathered.institutions.iter().filter(|one| one.events() > 0);
        let longest = gathered.gaps.as_slice().first();
        let longest = longest.map_or(words.none.to_owned(), |gap| words.duration(gap.millis));
        let break_glass = match gathered.openings().break_glass {
            0 => words.none.to_owned(),
            count => grouped(count),
        };
        let quorum = gathered.latency.percentile(95);
        let quorum = quorum.map_or(words.none.to_owned(), |millis| words.duration(millis));
        let tiles = [
            (grouped(gathered.events()), words.events),
            (grouped(gathered.blocks.count), words.blocks),
            (
                format!("{} / {}", active.count(), gathered.institutions.len()),
                words.active,
            ),
            (grouped(requests), words.requests),
            (share, words.denied_share),
            (break_glass, words.break_glass),
            (longest, words.longest_gap),
            (quorum, words.p95_to_quorum),
        ];
        let tiles =
            tiles.map(|(figure, what)| format!("<div><b>{figure}</b><span>{what}</span></div>"));
        format!("<div class=\"tiles\">{}</div>", tiles.concat())
    }

    /// Labels of the cells of time, each with what `parts` takes from the cell.
    fn columns(&self, parts: impl Fn(&super::gather::Cell) -> Vec<u64>) -> Vec<Column> {
        let timeline = &self.gathered.timeline;
        let column = |(since, cell): (i64, Option<&super::gather::Cell>)| Column {
            label: clock::short(since, timeline.width()),
            parts: cell.map_or_else(Vec::new, &parts),
        };
        timeline.cells().map(column).collect()
    }

    fn names(&self, codes: &[&'static str]) -> Vec<String> {
        codes
            .iter()
            .map(|code| self.words.name(code).to_owned())
            .collect()
    }

    fn width(&self) -> String {
        self.words.width(self.gathered.timeline.width())
    }

    fn volume(&self) -> String {
        let (words, gathered) = (self.words, self.gathered);
        let domains: Vec<&'static str> = gathered.by_domain().into_keys().collect();
        let names = self.names(&domains);
        let columns = self.columns(|cell| {
            let count = |domain| cell.by_domain.get(domain).copied().unwrap_or(0);
            domains.iter().map(count).collect()
        });
        let over_time = match plot::columns(&names, &columns) {
            plot if plot.is_empty() => format!("<p>{}</p>", words.nothing),
            plot => format!(
                "<p class=\"note\">{} {}{}</p>{plot}",
                words.volume_time_note,
                self.width(),
                words.stop
            ),
        };
        let bars = self.by_institution(|institution| {
            let mut parts = vec![0; domains.len()];
            for (kind, count) in &institution.by_kind {
                let domain = super::gather::domain(kind);
                let at = domains.iter().position(|known| *known == domain);
                if let Some(part) = at.and_then(|at| parts.get_mut(at)) {
                    *part += count;
                }
            }
            parts
        });
        let institutions = format!(
            "{}<h3>{}</h3>{}",
            plot::bars(&names, &bars),
            words.volume_kind,
            self.tables.institutions.html(words)
        );
        section(words.volume_time, &over_time) + &section(words.volume_institution, &institutions)
    }

    /// Bars of the institutions that have anything, the longest first.
    fn by_institution(&self, parts: impl Fn(&Institution) -> Vec<u64>) -> Vec<Column> {
        let institutions = self.gathered.institutions.iter();
        let bar = |institution: &Institution| Column {
            label: institution.name.clone(),
            parts: parts(institution),
        };
        let mut bars: Vec<Column> = institutions.map(bar).collect();
        bars.retain(|bar| bar.sum() > 0);
        bars.sort_by_key(|bar| std::cmp::Reverse(bar.sum()));
        bars
    }

    fn accesses(&self) -> String {
        let (words, gathered) = (self.words, self.gathered);
        if gathered.accesses() == (0, 0) {
            return section(words.accesses, &format!("<p>{}</p>", words.nothing));
        }
        let names = [words.permitted.to_owned(), words.denied.to_owned()];
        let columns = self.columns(|cell| vec![cell.permitted, cell.denied]);
        let reasons = gathered.reasons.iter().map(|(reason, count)| Column {
            label: words.name(reason).to_owned(),
            parts: vec![*count],
        });
        let reasons: Vec<Column> = reasons.collect();
        let asked = self.by_institution(|one| vec![one.permitted, one.denied]);
        let html = format!(
            "<p class=\"note\">{} {}{}</p>{}<h3>{}</h3>{}{}<h3>{}</h3>{}{}",
            words.accesses_note,
            self.width(),
            words.stop,
            plot::columns(&names, &columns),
            words.by_requester,
            plot::bars(&names, &asked),
            self.tables.accesses.html(words),
            words.reasons,
            plot::bars(&[words.denied.to_owned()], &reasons),
            self.tables.reasons.html(words),
        );
        section(words.accesses, &html)
    }

    fn break_glass(&self) -> String {
        let (words, openings) = (self.words, self.gathered.openings());
        let reviews = &self.gathered.reviews;
        if openings == Openings::default() && reviews.waiting() == 0 {
            let none = format!("<p>{}</p>", words.break_glass_none);
            return section(words.break_glass_title, &none);
        }
        let figures = [
            (words.break_glass_asked, openings.break_glass),
            (words.break_glass_reviews, openings.reviews),
            (words.emergencies, openings.emergencies),
            (words.reviews_late, reviews.late),
            (words.reviews_not_justified, reviews.not_justified),
        ];
        let figures =
            figures.map(|(what, count)| format!("<dt>{what}</dt><dd>{}</dd>", grouped(count)));
        let list = format!("<dl>{}</dl>", figures.concat());
        section(words.break_glass_title, &(list + &self.waiting()))
    }

    /// What waits for its review, in red until it has one.
    fn waiting(&self) -> String {
        let (words, reviews) = (self.words, &self.gathered.reviews);
        match reviews.waiting() {
            0 => format!("<p>{}</p>", words.reviews_none),
            count => format!(
                "<p class=\"bad\">{}: {}; {}: {}</p>{}",
                words.reviews_waiting,
                grouped(count),
                words.review_overdue,
                grouped(reviews.overdue()),
                self.tables.reviews.html(words)
            ),
        }
    }

    fn latency(&self) -> String {
        let (words, gathered) = (self.words, self.gathered);
        let quorum = if gathered.latency.count() == 0 {
            format!("<p>{}</p>", words.latency_missing)
        } else {
            let bars = ranges(&gathered.latency, words);
            let plot = plot::bars(&[words.blocks.to_owned()], &bars);
            format!("<p class=\"note\">{}</p>{plot}", words.latency_note)
        };
        let html = format!(
            "{quorum}<h3>{}</h3><p class=\"note\">{}</p>{}{}",
            words.interval,
            words.interval_note,
            plot::bars(
                &[words.blocks.to_owned()],
                &ranges(&gathered.intervals, words)
            ),
            self.tables.latency.html(words),
        );
        section(words.latency, &html)
    }

    fn gaps(&self) -> String {
        let (words, gathered) = (self.words, self.gathered);
        let cells: Vec<(i64, Option<&super::gather::Cell>)> = gathered.timeline.cells().collect();
        let row = |(at, institution): (usize, &Institution)| {
            let count = |cell: Option<&super::gather::Cell>| {
                cell.and_then(|cell| cell.by_institution.get(at).copied())
                    .unwrap_or(0)
            };
            let counts = cells.iter().map(|(_, cell)| count(*cell)).collect();
            (institution.name.clone(), counts)
        };
        let rows: Vec<(String, Vec<u64>)> =
            gathered.institutions.iter().enumerate().map(row).collect();
        let ends =
            |cell: Option<&(i64, _)>| cell.map_or(String::new(), |(since, _)| clock::full(*since));
        let times = (ends(cells.first()), ends(cells.last()));
        let html = format!(
            "<p class=\"note\">{} {}{}</p>{}{}<h3>{}</h3>{}",
            words.gaps_note,
            self.width(),
            words.stop,
            plot::strips(&rows, (&times.0, &times.1)),
            self.tables.silences.html(words),
            words.gaps_blocks,
            self.tables.gaps.html(words),
        );
        section(words.gaps, &html)
    }

    fn validators(&self) -> String {
        let (words, blocks) = (self.words, &self.gathered.blocks);
        let facts = [
            (words.later_rounds, blocks.later_round),
            (words.empty_blocks, blocks.empty),
        ];
        let facts =
            facts.map(|(what, count)| format!("<dt>{what}</dt><dd>{}</dd>", grouped(count)));
        let html = format!(
            "<p class=\"note\">{}</p><dl>{}</dl>{}",
            words.validators_note,
            facts.concat(),
            self.tables.validators.html(words)
        );
        section(words.validators, &html)
    }

    fn limits(&self) -> String {
        let words = self.words;
        let limits = [
            words.limit_other_log,
            words.limit_content,
            words.limit_outside,
            words.limit_clock,
        ];
        let items = limits.map(|limit| format!("<li>{limit}</li>"));
        section(words.limits, &format!("<ul>{}</ul>", items.concat()))
    }
}

fn section(title: &str, html: &str) -> String {
    format!("<section><h2>{title}</h2>{html}</section>")
}

/// How many durations lie in each range.
fn ranges(spread: &Spread, words: &Words) -> Vec<Column> {
    let ends = RANGES.iter().skip(1).map(Some).chain([None]);
    let bar = |(from, to): (&u64, Option<&u64>)| Column {
        label: match to {
            Some(to) => format!("{from}–{to} {}", words.seconds),
            None => format!("> {from} {}", words.seconds),
        },
        parts: vec![spread.between(from * 1000, to.map(|to| to * 1000))],
    };
    let mut bars: Vec<Column> = RANGES.iter().zip(ends).map(bar).collect();
    while bars.last().is_some_and(|bar| bar.sum() == 0) {
        bars.pop();
    }
    bars
}
