//! Whoever reads the published log and follows its handles, to the tag under which each event stands.

use anyhow::{Context as _, Result, bail};
use medanchor_ledger::event::{
    AccessEmergency, ConsentEnd, ConsentGrant, Custody, Event, EventBody, EventKind, RecordSeal,
};
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::{
    ClassHandle, ConsentHandle, ParticipantName, PrescriptionHandle, RecordHandle, RequestHandle,
    Size, Tag,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every event of a published log, read as anybody can.
pub fn published(log: &Path) -> Result<Vec<Event>> {
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
pub fn values(event: &Event) -> Result<BTreeSet<&[u8]>> {
    let mut found = BTreeSet::new();
    strings(event.encoded(), &mut found).context("an event that is no CBOR")?;
    found.retain(|value| value.len() >= 16);
    Ok(found)
}

/// What an observer knows of an access: whose record it was about.
type Accesses = BTreeMap<(ParticipantName, RequestHandle), Tag>;

/// Which tags each event belongs to, as an observer follows handles.
#[derive(Default)]
pub struct Observer {
    /// The tag of each record.
    pub records: BTreeMap<(ParticipantName, RecordHandle), Tag>,
    /// The class of each version of a record.
    pub classes: BTreeMap<(ParticipantName, RecordHandle), Vec<ClassHandle>>,
    /// The point that commits to what is shared, with the tags of each event that has it.
    pub shared: BTreeMap<[u8; 32], Vec<Tag>>,
    prescriptions: BTreeMap<(ParticipantName, PrescriptionHandle), Tag>,
    /// Requests, and what was opened by breaking the glass.
    accesses: Accesses,
    /// The grants, by who signed them.
    pub consents: BTreeMap<(ParticipantName, ConsentHandle), ConsentGrant>,
    /// Ends by patients, with who anchored them.
    pub ends: Vec<(Event, ConsentEnd)>,
    /// Openings by emergency keys, in the order of the log.
    pub emergencies: Vec<(ParticipantName, AccessEmergency)>,
    /// Under which tags each value of the log stands.
    pub tags_of: BTreeMap<Vec<u8>, BTreeSet<Tag>>,
    /// How many events stand under each tag, by kind.
    pub events: BTreeMap<Tag, BTreeMap<EventKind, usize>>,
    /// What stands in events that belong to no tag, such as those of drug packs.
    pub elsewhere: BTreeSet<Vec<u8>>,
    /// The network's id, and the ids of the keys that signed.
    signers: BTreeSet<Vec<u8>>,
    /// Heads of emergency journals, as their institutions stated them.
    journals: BTreeSet<Vec<u8>>,
}

impl Observer {
    /// Takes what a log has.
    pub fn of(log: &Path) -> Result<Self> {
        let mut observer = Self::default();
        for event in published(log)? {
            observer.watch(&event)?;
        }
        Ok(observer)
    }

    fn watch(&mut self, event: &Event) -> Result<()> {
        self.signers.insert(event.network().as_bytes().to_vec());
        self.signers.insert(event.key_id().as_bytes().to_vec());
        let tags = self.tags(event)?;
        let values = values(event)?.into_iter().map(<[u8]>::to_vec);
        if tags.is_empty() {
            self.elsewhere.extend(values);
            return Ok(());
        }
        let secret = event.body().custody().and_then(Custody::secret);
        for tag in &tags {
            if let Some(secret) = secret {
                self.shared
                    .entry(*secret.as_bytes())
                    .or_default()
                    .push(*tag);
            }
            let kinds = self.events.entry(*tag).or_default();
            *kinds.entry(event.body().kind()).or_default() += 1;
        }
        for value in values {
            self.tags_of.entry(value).or_default().extend(&tags);
        }
        Ok(())
    }

    /// The tags that an event stands under; none if it is about no subject, or asks for a record that is
    /// not there.
    fn tags(&mut self, event: &Event) -> Result<Vec<Tag>> {
        let issuer = event.issuer().clone();
        Ok(match event.body() {
            EventBody::RecordSeal(body) => vec![self.sealed(issuer, body)],
            EventBody::RecordCustody(body) => vec![self.sealed(issuer, &body.seal)],
            EventBody::RecordSupersede(body) => {
                let tag = self.of_record(&issuer, body.record)?;
                self.classes
                    .entry((issuer, body.record))
                    .or_default()
                    .push(body.class);
                vec![tag]
            }
            EventBody::RecordReshare(body) => vec![self.of_record(&issuer, body.record)?],
            EventBody::RecordErase(body) => vec![self.of_record(&issuer, body.record)?],
            EventBody::PrescriptionIssue(body) => {
                let tag = self.of_record(&issuer, body.record)?;
                self.prescriptions.insert((issuer, body.prescription), tag);
                vec![tag]
            }
            EventBody::PrescriptionRedeem(body) => {
                let key = (body.issuer.clone(), body.prescription);
                self.prescriptions.get(&key).copied().into_iter().collect()
            }
            EventBody::AccessRequest(body) => {
                self.access((issuer, body.request), (body.owner.clone(), body.record))
            }
            EventBody::AccessBreakGlass(body) => {
                self.access((issuer, body.request), (body.owner.clone(), body.record))
            }
            EventBody::AccessReview(body) => {
                let key = (body.requester.clone(), body.request);
                vec![*self.accesses.get(&key).context("a review of nothing")?]
            }
            EventBody::AccessEmergency(body) => {
                let tag = self.of_record(&issuer, body.record)?;
                self.emergencies.push((issuer, body.clone()));
                vec![tag]
            }
            EventBody::ConsentGrant(body) => {
                self.consents.insert((issuer, body.consent), body.clone());
                body.tags.iter().copied().collect()
            }
            EventBody::ConsentRevoke(body) => self.of_consent(&issuer, body.consent)?,
            EventBody::ConsentEnd(body) => {
                self.ends.push((event.clone(), body.clone()));
                self.of_consent(&body.owner, body.consent)?
            }
            EventBody::EmergencyJournal(body) => {
                self.journals.insert(body.head.as_bytes().to_vec());
                Vec::new()
            }
            EventBody::GovernancePropose(_)
            | EventBody::GovernanceApprove(_)
            | EventBody::CustodyLog(_)
            | EventBody::LotOpen(_)
            | EventBody::UnitCommission(_)
            | EventBody::UnitShip(_)
            | EventBody::UnitReceive(_)
            | EventBody::UnitDispense(_)
            | EventBody::InspectionKey(_) => Vec::new(),
            other => bail!("nothing is said of what {} links", other.kind().name()),
        })
    }

    fn sealed(&mut self, owner: ParticipantName, seal: &RecordSeal) -> Tag {
        let key = (owner, seal.record);
        self.classes.insert(key.clone(), vec![seal.class]);
        self.records.insert(key, seal.tag);
        seal.tag
    }

    fn of_record(&self, owner: &ParticipantName, record: RecordHandle) -> Result<Tag> {
        let tag = self.records.get(&(owner.clone(), record));
        tag.copied().context("a record that was never sealed")
    }

    fn access(
        &mut self,
        request: (ParticipantName, RequestHandle),
        record: (ParticipantName, RecordHandle),
    ) -> Vec<Tag> {
        let tag = self.records.get(&record).copied();
        self.accesses.extend(tag.map(|tag| (request, tag)));
        tag.into_iter().collect()
    }

    fn of_consent(&self, owner: &ParticipantName, consent: ConsentHandle) -> Result<Vec<Tag>> {
        let grant = self.consents.get(&(owner.clone(), consent));
        let grant = grant.context("the end of a consent that was never granted")?;
        Ok(grant.tags.iter().copied().collect())
    }

    /// Whether a value says who signed on which network, or where an emergency journal stood, or is what a
    /// part of such a value looks like when it is read as CBOR.
    pub fn is_no_link(&self, value: &[u8]) -> bool {
        let mut known = self.signers.iter().chain(&self.journals);
        known.any(|one| one.windows(value.len()).any(|part| part == value))
    }

    /// How often an event of this kind stands under a tag.
    pub fn count(&self, kind: EventKind) -> usize {
        let of = |kinds: &BTreeMap<EventKind, usize>| kinds.get(&kind).copied().unwrap_or_default();
        self.events.values().map(of).sum()
    }

    /// Tags that consents and the roots of their chains join, each with the least of its group.
    pub fn groups(&self) -> BTreeMap<Tag, Tag> {
        let mut group: BTreeMap<Tag, Tag> = BTreeMap::new();
        let mut join = |tags: Vec<Tag>| {
            let heads = tags.iter().map(|tag| *group.get(tag).unwrap_or(tag));
            let heads: BTreeSet<Tag> = heads.collect();
            let Some(least) = heads.first().copied() else {
                return;
            };
            for head in group.values_mut().filter(|head| heads.contains(head)) {
                *head = least;
            }
            group.extend(tags.into_iter().map(|tag| (tag, least)));
        };
        self.events.keys().for_each(|tag| join(vec![*tag]));
        for ((owner, _), grant) in &self.consents {
            let root = grant
                .root
                .and_then(|root| self.consents.get(&(owner.clone(), root)));
            let roots = root.iter().flat_map(|root| root.tags.iter());
            join(grant.tags.iter().chain(roots).copied().collect());
        }
        group
    }
}
