//! What a grantee is given beside a consent: a ticket that lets it ask for the records.
//!
//! What always holds: a ticket is a secret between the owner of the records and one grantee, wiped
//! when dropped, without `Debug`; it holds handles and plain words of purposes and classes, and no
//! payload. The ledger does not show it: only a request made with it shows its opening.

use crate::armor;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::event::GranteeOpening;
use medanchor_ledger::{
    ClassHandle, ConsentHandle, MemberCommitment, NetworkId, ParticipantName, PurposeHandle,
    RecordHandle, Time,
};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

const LABEL: &str = "medanchor-grant-v1";
/// The longest word for a purpose or a class, in bytes.
pub(crate) const MAX_WORD: usize = 64;
/// The most purposes, and the most classes: those of a consent.
const MAX_WORDS: usize = 32;
/// The most records.
const MAX_RECORDS: usize = 10_000;
/// The longest encoding.
const MAX: usize = 512 << 10;

/// A record that a ticket names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantedRecord {
    /// The record, among the owner's.
    pub record: RecordHandle,
    /// The word for its class; one of the ticket's.
    pub class: String,
}

/// What lets one grantee ask for records under one consent.
pub struct GrantTicket {
    /// The network whose ledger has the consent.
    pub network: NetworkId,
    /// Who keeps the records and granted the consent.
    pub owner: ParticipantName,
    /// The consent.
    pub consent: ConsentHandle,
    /// Who may ask.
    pub grantee: ParticipantName,
    /// The person or team within the grantee, where the consent names one.
    pub member: Option<MemberCommitment>,
    /// What ties the grantee to the consent.
    pub opening: GranteeOpening,
    /// The purposes, each word with its handle.
    pub purposes: BTreeMap<String, PurposeHandle>,
    /// The classes, each word with its handles: one for each quarter that the consent covers.
    pub classes: BTreeSet<(String, ClassHandle)>,
    /// The records that exist today.
    pub records: Vec<GrantedRecord>,
    /// The first block time at which the consent holds.
    pub not_before: Time,
    /// The first block time at which it no longer holds.
    pub not_after: Time,
}

impl Drop for GrantTicket {
    fn drop(&mut self) {
        self.opening = GranteeOpening::new([0; 16]);
        // The assignment must not be optimised away because nothing reads it.
        std::hint::black_box(&self.opening);
    }
}

impl GrantTicket {
    /// The ticket's one encoding. It is a secret.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(1024 + self.records.len() * 96);
        writer.map(11);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.consent.as_bytes());
        writer.key(4).text(self.grantee.as_str());
        writer
            .key(5)
            .optional(self.member.as_ref().map(MemberCommitment::as_bytes));
        writer.key(6).bytes(self.opening.as_bytes());
        let purposes = self.purposes.iter();
        write_words(
            writer.key(7),
            purposes.map(|(word, handle)| (word, handle.as_bytes())),
        );
        let classes = self.classes.iter();
        write_words(
            writer.key(8),
            classes.map(|(word, handle)| (word, handle.as_bytes())),
        );
        writer.key(9).array(self.records.len());
        for one in &self.records {
            writer
                .array(2)
                .bytes(one.record.as_bytes())
                .text(&one.class);
        }
        writer.key(10).uint(self.not_before.0);
        writer.key(11).uint(self.not_after.0);
        Zeroizing::new(writer.into_bytes())
    }

    /// Reads what [`GrantTicket::encode`] gave and nothing else.
    ///
    /// # Errors
    /// [`HandoverError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        if bytes.len() > MAX {
            return Err(HandoverError::Inconsistent("a ticket is at most 512 KiB"));
        }
        let mut reader = Reader::new(bytes);
        reader.map(11)?;
        let ticket = Self {
            network: NetworkId::new(reader.key(1)?.fixed()?),
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            consent: ConsentHandle::new(reader.key(3)?.fixed()?),
            grantee: reader.key(4)?.parsed(ParticipantName::MAX_LENGTH)?,
            member: reader.key(5)?.optional()?.map(MemberCommitment::new),
            opening: GranteeOpening::new(reader.key(6)?.fixed()?),
            purposes: read_purposes(reader.key(7)?)?,
            classes: read_words(reader.key(8)?, ClassHandle::new)?,
            records: read_records(reader.key(9)?)?,
            not_before: Time(reader.key(10)?.uint()?),
            not_after: Time(reader.key(11)?.uint()?),
        };
        reader.finish()?;
        ticket.check()?;
        Ok(ticket)
    }

    fn check(&self) -> Result<(), HandoverError> {
        let words: BTreeSet<&str> = self.classes.iter().map(|(word, _)| word.as_str()).collect();
        let classes_known = self
            .records
            .iter()
            .all(|one| words.contains(one.class.as_str()));
        match () {
            () if !classes_known => Err(HandoverError::Inconsistent(
                "a record's class is not among the classes",
            )),
            () if !self.records.is_sorted_by(|a, b| a.record < b.record) => Err(
                HandoverError::Inconsistent("the records are not in order, or one stands twice"),
            ),
            () if self.not_before >= self.not_after => Err(HandoverError::Inconsistent(
                "the consent ends before it begins",
            )),
            () => Ok(()),
        }
    }

    /// The ticket as text, for a message to the grantee. It is a secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        armor::to_text(LABEL, &self.encode())
    }

    /// Reads what [`GrantTicket::to_text`] gave.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged or of another kind.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        Self::decode(&armor::from_text(LABEL, text, MAX)?)
    }
}

fn write_words<'a>(writer: &mut Writer, words: impl Iterator<Item = (&'a String, &'a [u8; 16])>) {
    let words: Vec<_> = words.collect();
    writer.array(words.len());
    for (word, handle) in words {
        writer.array(2).text(word).bytes(handle);
    }
}

/// Reads words with their handles, in ascending order, each pair once.
fn read_words<H: Ord>(
    reader: &mut Reader<'_>,
    handle: fn([u8; 16]) -> H,
) -> Result<BTreeSet<(String, H)>, HandoverError> {
    let count = reader.array(1..=MAX_WORDS)?;
    let mut words = BTreeSet::new();
    for _ in 0..count {
        reader.array(2..=2)?;
        let pair = (reader.text(MAX_WORD)?.to_owned(), handle(reader.fixed()?));
        if words.last().is_some_and(|last| *last >= pair) {
            return Err(HandoverError::Inconsistent(
                "the words are not in order, or one stands twice",
            ));
        }
        words.insert(pair);
    }
    Ok(words)
}

fn read_purposes(
    reader: &mut Reader<'_>,
) -> Result<BTreeMap<String, PurposeHandle>, HandoverError> {
    let pairs = read_words(reader, PurposeHandle::new)?;
    let count = pairs.len();
    let purposes: BTreeMap<_, _> = pairs.into_iter().collect();
    if purposes.len() == count {
        Ok(purposes)
    } else {
        Err(HandoverError::Inconsistent("a purpose stands twice"))
    }
}

fn read_records(reader: &mut Reader<'_>) -> Result<Vec<GrantedRecord>, CborError> {
    let count = reader.array(0..=MAX_RECORDS)?;
    let record = |_| {
        reader.array(2..=2)?;
        let record = RecordHandle::new(reader.fixed()?);
        Ok(GrantedRecord {
            record,
            class: reader.text(MAX_WORD)?.to_owned(),
        })
    };
    (0..count).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket(records: u8) -> GrantTicket {
        let record = |n| GrantedRecord {
            record: RecordHandle::new([n; 16]),
            class: "laboratory".into(),
        };
        GrantTicket {
            network: NetworkId::new([1; 16]),
            owner: "north-hospital".parse().unwrap(),
            consent: ConsentHandle::new([2; 16]),
            grantee: "second-hospital".parse().unwrap(),
            member: None,
            opening: GranteeOpening::new([3; 16]),
            purposes: BTreeMap::from([("TREAT".into(), PurposeHandle::new([4; 16]))]),
            classes: BTreeSet::from([("laboratory".into(), ClassHandle::new([5; 16]))]),
            records: (0..records).map(record).collect(),
            not_before: Time(1),
            not_after: Time(2),
        }
    }

    #[test]
    fn a_ticket_survives_the_handover() {
        let text = ticket(3).to_text();
        let read = GrantTicket::from_text(&text).unwrap();
        assert_eq!(read.encode(), ticket(3).encode());
        assert_eq!(
            text.as_str(),
            include_str!("../../vectors/handover/grant.txt").trim_end()
        );
    }

    #[test]
    fn records_out_of_order_repeated_or_of_an_unknown_class_are_refused() {
        let refused = |ticket: &GrantTicket| GrantTicket::decode(&ticket.encode()).is_err();
        let mut wrong = ticket(2);
        wrong.records.swap(0, 1);
        assert!(refused(&wrong));
        wrong.records = vec![wrong.records[0].clone(), wrong.records[0].clone()];
        assert!(refused(&wrong));
        wrong = ticket(1);
        wrong.records[0].class = "imaging".into();
        assert!(refused(&wrong));
        wrong = ticket(1);
        wrong.not_after = Time(1);
        assert!(refused(&wrong));
        assert!(!refused(&ticket(0)));
    }

    proptest! {
        #[test]
        fn what_decodes_is_the_only_encoding(place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = ticket(2).encode().to_vec();
            let at = place.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = GrantTicket::decode(&bytes) {
                let encoded = read.encode();
                prop_assert_eq!(encoded.as_slice(), &bytes[..]);
            }
            let whole = ticket(2).encode();
            prop_assert!(GrantTicket::decode(&whole[..cut.index(whole.len())]).is_err());
        }
    }
}
