//! Records whose keys are shared: sealing one, opening one, and the history of a thousand accesses. Four
//! nodes, five custodians and the owner's vault, each a process of its own.

use crate::process::{cpu_seconds, thread_cpu};
use crate::report::{Budget, Section, percentile};
use anyhow::{Context, Result, anyhow, ensure};
use medanchor_sdk::custody::{Circle, MAX_TOGETHER};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::patient::last_quarters;
use medanchor_sdk::{
    AnchorError, GrantTicket, Grantee, NewAccess, NewConsent, NewRecord, PolicyRange, Sdk, Size,
    Tag, Time, verify_history,
};
use medanchor_tests::city::{City, OWNER, READER};
use medanchor_tests::service::Service;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Records that are sealed one by one, and read.
const RECORDS: usize = 50;
/// Records that are sealed together, in several calls.
const MANY: usize = 8 * MAX_TOGETHER;
/// Threads that seal one record after the other at the same time.
const CALLERS: usize = 32;
const READS: usize = 100;
const ACCESSES: usize = 1_000;
/// How often its history is fetched, and how often checked each time.
const FETCHES: u32 = 20;
const CHECKS: u32 = 20;
/// Accesses that are signed and posted together.
const BATCH: usize = 250;
/// Bytes of a document.
const PAYLOAD: usize = 4 << 10;
const CLASS: &str = "laboratory";
const SUBJECT: &str = "Patient/1";
const HOUR: u64 = 3_600_000;

const fn at_most(must: f64) -> Budget {
    Budget::AtMost { must, goal: must }
}

/// Founds the city in `dir` and measures all three.
pub fn measure(dir: &Path) -> Result<Vec<Section>> {
    let city = City::start(dir)?;
    let names: Vec<String> = (0..RECORDS).map(|n| format!("Observation/{n}")).collect();
    let owner = city.sdk(OWNER)?;
    let sealing = seal(&city, &owner, &names, 1)?;
    let many: Vec<String> = (0..MANY).map(|n| format!("Bundle/{n}")).collect();
    let together = seal(&city, &owner, &many, MAX_TOGETHER)?;
    let crowd: Vec<String> = (0..MANY).map(|n| format!("Condition/{n}")).collect();
    let crowded = seal_by_callers(&city, &owner, &crowd)?;
    let ticket = grant(&owner, &names)?;
    let quarter = last_quarters(owner.now(), 1);
    let keys = owner.subject_keys(SUBJECT)?;
    let tag = keys.key.tag(*quarter.first().context("a quarter")?);
    drop(owner);
    let _vault = Service::vault(&dir.join(OWNER))?;
    let reader = city.sdk(READER)?;
    let reading = read(&city, &reader, &ticket)?;
    let history = history(&reader, &ticket, &tag)?;
    Ok(vec![sealing, together, crowded, reading, history])
}

fn payload(name: &str) -> Vec<u8> {
    let mut text = format!(r#"{{"resourceType":"Observation","id":"{name}","valueString":""#);
    let filler = PAYLOAD - text.len() - 2;
    text.extend(std::iter::repeat_n('x', filler));
    text.push_str("\"}");
    text.into_bytes()
}

/// CPU seconds of all custodians.
fn custodians_cpu(city: &City) -> Result<f64> {
    let running = city.custodians.iter().flatten();
    running
        .map(|one| cpu_seconds(one.pid()).context("a custodian's CPU time"))
        .sum()
}

/// Seals documents, `together` at a time.
fn seal(city: &City, owner: &Sdk, names: &[String], together: usize) -> Result<Section> {
    let how = format!("{together} at a time");
    sealing(city, owner, names, &how, |circle| {
        let calls = names.chunks(together);
        calls
            .map(|names| match names {
                [name] => timed(|| seal_one(city, owner, circle, name)),
                names => timed(|| seal_some(city, owner, circle, names)),
            })
            .collect()
    })
}

/// Seals documents one in a call, by many threads at the same time.
fn seal_by_callers(city: &City, owner: &Sdk, names: &[String]) -> Result<Section> {
    let how = format!("one in a call, {CALLERS} callers");
    sealing(city, owner, names, &how, |circle| {
        let seal = |name: &String| timed(|| seal_one(city, owner, circle, name));
        let seal_each = |names: &[String]| names.iter().map(seal).collect::<Result<Vec<_>>>();
        let times: Result<Vec<_>> = thread::scope(|scope| {
            let each = names.len().div_ceil(CALLERS);
            let callers: Vec<_> = names
                .chunks(each)
                .map(|names| scope.spawn(move || seal_each(names)))
                .collect();
            let joined = callers.into_iter().map(|caller| caller.join());
            joined
                .map(|times| times.map_err(|_| anyhow!("a caller panicked"))?)
                .collect()
        });
        Ok(times?.concat())
    })
}

/// Milliseconds that it takes.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// What it costs to seal `names`; `seal` does it and gives the milliseconds of its calls.
fn sealing(
    city: &City,
    owner: &Sdk,
    names: &[String],
    how: &str,
    seal: impl FnOnce(&Circle) -> Result<Vec<f64>>,
) -> Result<Section> {
    let circle = owner.custodians(&city.book)?;
    let own = || cpu_seconds(std::process::id()).context("this process's CPU time");
    let (before, theirs) = (own()?, custodians_cpu(city)?);
    let mut times = seal(&circle)?;
    let each = |seconds: f64| seconds * 1e3 / names.len() as f64;
    let (own, theirs) = (each(own()? - before), each(custodians_cpu(city)? - theirs));
    let workload = format!(
        "{} documents of {PAYLOAD} bytes, {how}, 3 of 5 custodians over mutual TLS, events anchored and their receipts checked; signatures checked; durable everywhere; CPU time of whole processes, nodes left out; load now: {}",
        names.len(),
        load()
    );
    let title = format!("Sealing records in custody, {how}, four validators");
    let mut section = Section::new(title, workload);
    section.add_with(
        "a record, owner and five custodians",
        own + theirs,
        "ms of CPU",
        at_most(3.0),
    );
    section.add("of it the owner", own, "ms of CPU");
    section.add("of it each custodian", theirs / 5.0, "ms of CPU");
    section.add("until anchored, p50", percentile(&mut times, 0.5), "ms");
    section.add("until anchored, p99", percentile(&mut times, 0.99), "ms");
    Ok(section)
}

fn seal_one(city: &City, owner: &Sdk, circle: &Circle, name: &str) -> Result<()> {
    let new = NewRecord {
        name,
        version: 1,
        subject: SUBJECT,
        class: CLASS,
        payload: &payload(name),
    };
    owner.seal_in_custody(&new, circle, &city.certificate)?;
    Ok(())
}

fn seal_some(city: &City, owner: &Sdk, circle: &Circle, names: &[String]) -> Result<()> {
    let payloads: Vec<_> = names.iter().map(|name| payload(name)).collect();
    let new = names
        .iter()
        .zip(&payloads)
        .map(|(name, payload)| NewRecord {
            name,
            version: 1,
            subject: SUBJECT,
            class: CLASS,
            payload,
        });
    let sealed = owner.seal_all_in_custody(&new.collect::<Vec<_>>(), circle, &city.certificate)?;
    sealed.into_iter().try_for_each(|one| one.map(drop))?;
    Ok(())
}

fn grant(owner: &Sdk, names: &[String]) -> Result<GrantTicket> {
    let now = owner.now();
    let records: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), CLASS)).collect();
    let reader: medanchor_sdk::ParticipantName = READER.parse()?;
    let consented = owner.grant(&NewConsent {
        name: "Consent/1",
        root: None,
        subject: SUBJECT,
        grantees: &[Grantee::from(reader)],
        purposes: &["TREAT"],
        classes: &[CLASS],
        records_since: now,
        not_before: Time(0),
        not_after: now.plus_millis(HOUR),
        records: &records,
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    })?;
    owner.anchor(consented.event)?;
    let mut tickets = consented.tickets.into_iter();
    tickets.next().context("one grantee, one ticket")
}

fn access<'a>(ticket: &'a GrantTicket, name: &'a str, number: usize) -> Result<NewAccess<'a>> {
    let records = &ticket.records;
    let granted = records.get(number % records.len().max(1));
    Ok(NewAccess {
        name,
        ticket,
        record: granted.context("a record")?.record,
        purpose: "TREAT",
        actor: "Practitioner/1",
        reason: "measured",
    })
}

fn read(city: &City, reader: &Sdk, ticket: &GrantTicket) -> Result<Section> {
    let mut times = Vec::with_capacity(READS);
    for number in 0..READS {
        let name = format!("read {number}");
        let access = access(ticket, &name, number)?;
        let start = Instant::now();
        let opened = reader.read(&access, &city.book, &city.certificate)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        ensure!(opened.payload.len() == PAYLOAD && opened.answers.silent.is_empty());
    }
    let workload = format!(
        "{READS} reads of records of {PAYLOAD} bytes, one after the other: request anchored and decided, all 5 custodians and the owner asked over mutual TLS, each of which proves the request from the ledger, releases logged and durable, shares and payload checked; load now: {}",
        load()
    );
    let title = "Opening a record, 3 of 5 custodians, four validators, loopback";
    let mut section = Section::new(title, workload);
    section.add_with(
        "until opened, p50",
        percentile(&mut times, 0.5),
        "ms",
        at_most(300.0),
    );
    section.add_with(
        "until opened, p99",
        percentile(&mut times, 0.99),
        "ms",
        at_most(1_000.0),
    );
    Ok(section)
}

fn history(reader: &Sdk, ticket: &GrantTicket, tag: &Tag) -> Result<Section> {
    for first in (READS..ACCESSES).step_by(BATCH) {
        let asked = (first..ACCESSES.min(first + BATCH)).map(|number| {
            let name = format!("access {number}");
            Ok(reader
                .request_access(&access(ticket, &name, number)?)?
                .event)
        });
        let anchored = reader.anchor_batch(asked.collect::<Result<_>>()?);
        anchored
            .into_iter()
            .collect::<Result<Vec<_>, AnchorError>>()?;
    }
    let client = reader.client();
    let owner = OWNER.parse()?;
    let policy = PolicyRange::from(reader.policy().clone(), Size(0));
    let (mut made, mut bytes, mut count) = (Vec::new(), 0, 0);
    let mut spent = Duration::ZERO;
    for _ in 0..FETCHES {
        let start = Instant::now();
        let history = client.history(&owner, tag)?;
        let fetched = start.elapsed().as_secs_f64() * 1e3;
        let (start, cpu) = (Instant::now(), thread_cpu());
        // The system counts a thread's time in ticks, so one check alone would seem to cost nothing.
        for _ in 0..CHECKS {
            verify_history(&policy, &owner, tag, history.document())?;
        }
        made.push(fetched - start.elapsed().as_secs_f64() * 1e3 / f64::from(CHECKS));
        spent += thread_cpu().saturating_sub(cpu);
        (bytes, count) = (history.document().len(), history.links().len());
    }
    let checked = spent.as_secs_f64() * 1e3 / f64::from(FETCHES * CHECKS);
    let workload = format!(
        "the history of one tag with {count} events, {ACCESSES} of them accesses, {bytes} bytes, from one of four nodes over HTTP; time to make it is the time to fetch it less that to check it; load now: {}",
        load()
    );
    let mut section = Section::new("History of a thousand accesses", workload);
    section.add_with(
        "made and fetched, p50",
        percentile(&mut made, 0.5),
        "ms",
        at_most(50.0),
    );
    section.add_with("checked", checked, "ms of CPU", at_most(100.0));
    Ok(section)
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
