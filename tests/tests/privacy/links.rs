//! What can be linked from the published log alone, held against who is who.
//!
//! The demo's own subjects live in one quarter, so one person more is written while its nodes run: at
//! two hospitals, in this quarter and in the one before, with a consent at the first hospital only.

use super::{demo, seeds};
use anyhow::{Context as _, Result, ensure};
use medanchor_ledger::event::{ConsentGrant, Event, EventBody};
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::{ParticipantName, PrescriptionHandle, RecordHandle, Size, Tag, Time};
use medanchor_sdk::context::NoRandomness;
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::import::import_tree;
use medanchor_sdk::{Context, Identity, NewConsent, NewRecord, System};
use medanchor_tests::client::Client;
use medanchor_vault::Epoch;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOSPITALS: [&str; 2] = ["north-hospital", "south-hospital"];
/// At whose node both hospitals post.
const NODE: &str = "north-hospital";
const CLASS: &str = "MedicationRequest";
/// Known under one name to both hospitals.
const TRAVELLER: &str = "Patient/known-to-both";
/// More than a quarter and less than two.
const BEFORE: u64 = 92 * 24 * 3600 * 1000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock a quarter behind.
struct LastQuarter;

impl Context for LastQuarter {
    fn now(&self) -> Time {
        Time(System.now().0.saturating_sub(BEFORE))
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        System.fill(bytes)
    }

    fn pause(&self, length: Duration) {
        System.pause(length);
    }
}

/// Writes the traveller's records, and the consent.
fn write_the_traveller(dir: &Path, url: &str) -> Result<()> {
    let client = Client::new(url, PATIENCE);
    for hospital in HOSPITALS {
        let folder = dir.join(hospital).join("identity");
        let sealed = |identity: &Identity, name| {
            identity.seal_record(&NewRecord {
                name,
                version: 1,
                subject: TRAVELLER,
                class: CLASS,
                payload: br#"{"resourceType":"MedicationRequest"}"#,
            })
        };
        // The event's own times are long over, but what it says is what was said in that quarter.
        let earlier = {
            let identity = Identity::open_with(&folder, Arc::new(LastQuarter))?;
            sealed(&identity, "earlier")?.event.body().clone()
        };
        let identity = Identity::open(&folder)?;
        client.anchor(&identity.sign(earlier)?)?;
        for name in ["today", "today too"] {
            client.anchor(&sealed(&identity, name)?.event)?;
        }
        if hospital == HOSPITALS[0] {
            client.anchor(&consent(&identity)?)?;
        }
    }
    Ok(())
}

fn consent(identity: &Identity) -> Result<Event> {
    let now = System.now();
    let consented = identity.grant(&NewConsent {
        name: "consent of the traveller",
        root: None,
        subject: TRAVELLER,
        grantees: &[HOSPITALS[1].parse::<ParticipantName>()?.into()],
        purposes: &["TREAT"],
        classes: &[CLASS],
        records_since: Time(now.0 - BEFORE),
        not_before: now,
        not_after: now.plus_millis(BEFORE),
        records: &[],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: br#"{"resourceType":"Consent"}"#,
    })?;
    Ok(consented.event)
}

/// Every event of a published log, read as anybody can.
fn published(log: &Path) -> Result<Vec<Event>> {
    let checkpoint = fs::read_to_string(log.join("checkpoint"))?;
    let size: u64 = checkpoint.lines().nth(1).context("no size")?.parse()?;
    let mut events = Vec::new();
    for number in 0..size.div_ceil(256) {
        let id = BundleId::at(number, Size(size)).context("no such bundle")?;
        let (own, full) = (log.join(id.to_string()), log.join(id.full().to_string()));
        let bytes = fs::read(if own.is_file() { own } else { full })?;
        // What does not decode as an event is a block's seal.
        let entries = read_entries(id, &bytes)?;
        events.extend(entries.iter().filter_map(|entry| Event::decode(entry).ok()));
    }
    Ok(events)
}

/// Every string of bytes or text in deterministic CBOR, and in strings that are CBOR themselves.
fn strings<'b>(bytes: &'b [u8], found: &mut BTreeSet<&'b [u8]>) -> Option<()> {
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first() {
        let width = match head & 31 {
            info @ 24..=27 => 1 << (info - 24),
            _ => 0,
        };
        let (digits, after) = after.split_at_checked(width)?;
        let number = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        let number = if width == 0 {
            usize::from(head & 31)
        } else {
            number
        };
        rest = after;
        let kind = head >> 5;
        if matches!(kind, 2 | 3) {
            let (string, after) = rest.split_at_checked(number)?;
            rest = after;
            found.insert(string);
            if kind == 2 {
                // Not every string is CBOR; what is found in it on the way does no harm.
                strings(string, found);
            }
        }
    }
    Some(())
}

/// Handles, ids, hashes, keys, and texts that hold one: the shortest is a handle's 16 bytes.
fn values(event: &Event) -> Result<BTreeSet<&[u8]>> {
    let mut found = BTreeSet::new();
    strings(event.encoded(), &mut found).context("an event that is no CBOR")?;
    found.retain(|value| value.len() >= 16);
    Ok(found)
}

/// Which tag each event belongs to, as an observer follows handles.
#[derive(Default)]
struct Observer {
    records: BTreeMap<(ParticipantName, RecordHandle), Tag>,
    prescriptions: BTreeMap<(ParticipantName, PrescriptionHandle), Tag>,
    consents: Vec<ConsentGrant>,
    /// Under which tags each value of the log stands, apart from what consents list.
    tags_of: BTreeMap<Vec<u8>, BTreeSet<Tag>>,
    /// How many events stand under each tag.
    events: BTreeMap<Tag, usize>,
    /// What stands in events that belong to no tag, such as those of drug packs.
    elsewhere: BTreeSet<Vec<u8>>,
    /// The network's id, and the ids of the keys that signed.
    signers: BTreeSet<Vec<u8>>,
    /// Heads of emergency journals, as their institutions stated them.
    journals: BTreeSet<Vec<u8>>,
}

impl Observer {
    fn watch(&mut self, event: &Event) -> Result<()> {
        let issuer = event.issuer().clone();
        self.signers.insert(event.network().as_bytes().to_vec());
        self.signers.insert(event.key_id().as_bytes().to_vec());
        let tag = match event.body() {
            EventBody::RecordSeal(body) => {
                self.records.insert((issuer, body.record), body.tag);
                Some(body.tag)
            }
            EventBody::RecordCustody(body) => {
                let seal = &body.seal;
                self.records.insert((issuer, seal.record), seal.tag);
                Some(seal.tag)
            }
            EventBody::PrescriptionIssue(body) => {
                let tag = self.records.get(&(issuer.clone(), body.record)).copied();
                self.prescriptions
                    .extend(tag.map(|tag| ((issuer, body.prescription), tag)));
                tag
            }
            EventBody::PrescriptionRedeem(body) => {
                let key = (body.issuer.clone(), body.prescription);
                self.prescriptions.get(&key).copied()
            }
            EventBody::AccessRequest(body) => {
                let key = (body.owner.clone(), body.record);
                self.records.get(&key).copied()
            }
            EventBody::AccessEmergency(body) => self.records.get(&(issuer, body.record)).copied(),
            EventBody::RecordErase(body) => self.records.get(&(issuer, body.record)).copied(),
            EventBody::EmergencyJournal(body) => {
                self.journals.insert(body.head.as_bytes().to_vec());
                None
            }
            EventBody::ConsentGrant(body) => {
                self.consents.push(body.clone());
                return Ok(());
            }
            _ => None,
        };
        let values = values(event)?.into_iter().map(<[u8]>::to_vec);
        match tag {
            Some(tag) => {
                *self.events.entry(tag).or_default() += 1;
                values.for_each(|value| {
                    self.tags_of.entry(value).or_default().insert(tag);
                });
            }
            None => self.elsewhere.extend(values),
        }
        Ok(())
    }
}

/// Who is behind a tag: hospital, name there, quarter.
type Person = (&'static str, String, Epoch);

/// Who is who: the tag of every subject of the input in this quarter and its neighbours, and the
/// tag under which each record must stand.
struct Truth {
    people: BTreeMap<Tag, Person>,
    /// Everything derived from a subject's key that could stand on the ledger, by person.
    handles: BTreeMap<Vec<u8>, Person>,
    /// Whose each record of the input is, whichever hospital keeps it.
    records: BTreeMap<(ParticipantName, RecordHandle), String>,
}

fn truth(dir: &Path) -> Result<Truth> {
    let import = import_tree(&seeds(), &Default::default())?;
    let prescribed = import.items.prescriptions.iter();
    let mut subjects: BTreeSet<String> = prescribed
        .map(|item| item.subject.as_str().to_owned())
        .collect();
    let of_the_demo = ["Patient/sample-race", "Patient/sample-custody"];
    subjects.extend(of_the_demo.map(str::to_owned));
    subjects.insert(TRAVELLER.to_owned());
    let now = Epoch::of(System.now());
    let mut truth = Truth {
        people: BTreeMap::new(),
        handles: BTreeMap::new(),
        records: BTreeMap::new(),
    };
    for hospital in HOSPITALS {
        let identity = Identity::open(&dir.join(hospital).join("identity"))?;
        for item in &import.items.prescriptions {
            let record = identity.record_handle(&item.source.to_string());
            let key = (identity.participant().clone(), record);
            truth.records.insert(key, item.subject.as_str().to_owned());
        }
        for subject in &subjects {
            let key = identity.vault().held_subject_key(subject);
            for epoch in (now.0 - 3..=now.0 + 1).map(Epoch) {
                let person = (hospital, subject.clone(), epoch);
                let (tag, consent) = (key.tag(epoch), key.consent_key(epoch));
                ensure!(
                    truth.people.insert(tag, person.clone()).is_none(),
                    "two tags are equal"
                );
                for handle in [
                    *tag.as_bytes(),
                    *consent.class(CLASS).as_bytes(),
                    *consent.purpose("TREAT").as_bytes(),
                ] {
                    let other = truth.handles.insert(handle.to_vec(), person.clone());
                    ensure!(
                        other.is_none(),
                        "two people, quarters or hospitals share a handle"
                    );
                }
            }
        }
    }
    Ok(truth)
}

/// A person at a hospital, without the quarter.
fn without_quarter(person: &Person) -> (&'static str, &str) {
    (person.0, &person.1)
}

#[test]
fn what_the_log_links_is_what_the_page_admits() -> Result<()> {
    let demo = demo::run_and(&seeds(), None, |dir, summary| {
        let mut nodes = summary["nodes"].as_array().into_iter().flatten();
        let node = nodes.find(|node| node["institution"] == NODE);
        let url = node.and_then(|node| node["url"].as_str());
        write_the_traveller(dir, url.context("no such node")?)
    })?;
    let mut observer = Observer::default();
    for event in published(&demo.dir.path().join(NODE).join("log"))? {
        observer.watch(&event)?;
    }
    let truth = truth(demo.dir.path())?;
    one_tag_is_one_person_at_one_hospital_in_one_quarter(&observer, &truth)?;
    no_value_stands_under_two_tags(&observer)?;
    only_consents_join_quarters(&observer, &truth)?;
    no_handle_of_another_quarter_or_hospital_is_shown(&observer, &truth)
}

/// Admitted: all records, prescriptions, redemptions and accesses of a subject in one quarter at one
/// hospital stand under one tag. That is all a tag says.
fn one_tag_is_one_person_at_one_hospital_in_one_quarter(
    observer: &Observer,
    truth: &Truth,
) -> Result<()> {
    let mut of_input = 0;
    for (key, tag) in &observer.records {
        let person = truth.people.get(tag);
        let (hospital, name, _) = person.with_context(|| format!("{} is nobody's", key.1))?;
        ensure!(key.0.as_str() == *hospital, "another hospital's tag");
        if let Some(subject) = truth.records.get(key) {
            ensure!(subject == name, "a record under another subject's tag");
            of_input += 1;
        }
    }
    ensure!(of_input >= 80, "only {of_input} records of the input");
    let linked = observer.events.values().filter(|count| **count > 1).count();
    let most = observer.events.values().max().copied().unwrap_or_default();
    println!(
        "{} records of {} tags; {linked} tags link more than one event, up to {most}",
        observer.records.len(),
        observer.events.len()
    );
    ensure!(linked >= 30, "only {linked} tags link anything");
    Ok(())
}

/// Not linkable: apart from what says who signed on which network, and the heads by which an emergency
/// journal goes on, no value of 16 bytes or more stands in the events of two tags, or in one of a tag's
/// and in one of a drug pack's.
fn no_value_stands_under_two_tags(observer: &Observer) -> Result<()> {
    let shared = observer
        .tags_of
        .iter()
        .filter(|(value, tags)| tags.len() > 1 || observer.elsewhere.contains(*value));
    let shared: BTreeSet<&Vec<u8>> = shared.map(|(value, _)| value).collect();
    println!(
        "{} values, {} of them under more than one tag",
        observer.tags_of.len(),
        shared.len()
    );
    for value in shared {
        let (shown, text) = (hex::encode(value), value.escape_ascii());
        ensure!(
            observer.signers.contains(value) || observer.journals.contains(value),
            "{shown} ({text}) links tags"
        );
    }
    Ok(())
}

/// Admitted: a consent lists its subject's tags, and so joins quarters, but of one person at one
/// hospital. The traveller's does, and nothing else says that the traveller was there before.
fn only_consents_join_quarters(observer: &Observer, truth: &Truth) -> Result<()> {
    let mut joined = BTreeSet::new();
    for consent in &observer.consents {
        let tags: Vec<&Tag> = consent.tags.iter().collect();
        let people: Option<Vec<&Person>> = tags.iter().map(|tag| truth.people.get(tag)).collect();
        let people = people.context("a consent lists a tag of nobody")?;
        let one: BTreeSet<_> = people
            .iter()
            .map(|person| without_quarter(person))
            .collect();
        ensure!(one.len() == 1, "a consent joins {one:?}");
        if tags.len() > 1 {
            joined.extend(one);
        }
    }
    let expected = BTreeSet::from([(HOSPITALS[0], TRAVELLER)]);
    ensure!(
        joined == expected,
        "consents join the quarters of {joined:?}"
    );
    Ok(())
}

/// Not linkable: what is derived for a quarter in which, or a hospital at which, nothing was written
/// of a subject stands nowhere; and the traveller's tags are four that share nothing.
fn no_handle_of_another_quarter_or_hospital_is_shown(
    observer: &Observer,
    truth: &Truth,
) -> Result<()> {
    let written: BTreeSet<&Person> = observer
        .events
        .keys()
        .chain(
            observer
                .consents
                .iter()
                .flat_map(|consent| consent.tags.iter()),
        )
        .filter_map(|tag| truth.people.get(tag))
        .collect();
    for (value, person) in &truth.handles {
        let shown = observer.tags_of.contains_key(value) || observer.elsewhere.contains(value);
        ensure!(!shown || written.contains(person), "{person:?} is shown");
    }
    let travels = observer.events.keys().filter(|tag| {
        let person = truth.people.get(*tag);
        person.is_some_and(|(_, name, _)| name == TRAVELLER)
    });
    ensure!(travels.count() == 4, "the traveller has not four tags");
    Ok(())
}
