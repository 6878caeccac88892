//! The history of a tag: "these n events, and no other, bear this tag up to this checkpoint", or
//! none.
//!
//! A history is one page or several, one after the other as a CBOR sequence (RFC 8742). Only the last
//! page carries a state document, that of the tag's index: its count and chain head vouch for every
//! link of every page, so that pages may be fetched one by one while the tag goes on, and be checked
//! in memory that does not grow with their number.

use super::{DocumentError, NotProved, Part, StateDocument};
use crate::cbor::{Reader, Writer};
use crate::event::DecodeError;
use crate::event::EventKind;
use crate::policy::{CheckpointPolicy, VerifiedCheckpoint};
use crate::rules::tag::TagLink;
use crate::rules::{Anchored, StateValue, TagIndex};
use crate::{EventId, Height, Index, ParticipantName, Tag, Time};

const FORMAT: &str = "medanchor/history/v1";

/// One page of a history, not yet judged.
///
/// CBOR: {0: "medanchor/history/v1", 1: owner, 2: tag, 3: number of links before the page, 4: array of
/// links, 5: state document or null}. A link is [event id, log index, block time, event type,
/// outcome].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The participant that sealed records under the tag.
    pub owner: ParticipantName,
    /// The tag.
    pub tag: Tag,
    /// How many links the pages before have.
    pub first: u64,
    /// The links, in the order of the log; at most [`Self::MAX_LINKS`].
    pub links: Vec<TagLink>,
    /// On the last page, the tag's index in the state.
    pub state: Option<StateDocument>,
}

impl HistoryPage {
    /// The most links of a page.
    pub const MAX_LINKS: usize = 1024;

    /// The longest page.
    pub const MAX_BYTES: usize = Self::MAX_LINKS * 64 + StateDocument::MAX_BYTES + 160;

    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.links.len() * 64 + 4096);
        writer.map(6);
        writer.key(0).text(FORMAT);
        writer.key(1).text(self.owner.as_str());
        writer.key(2).bytes(self.tag.as_bytes());
        writer.key(3).uint(self.first);
        writer.key(4).array(self.links.len());
        for link in &self.links {
            write_link(link, &mut writer);
        }
        match &self.state {
            Some(state) => writer.key(5).bytes(&state.encode()),
            None => writer.key(5).null(),
        };
        writer.into_bytes()
    }

    /// Reads the page that `bytes` begin with, and gives the number of its bytes: another may follow.
    ///
    /// # Errors
    /// [`DocumentError`] when they begin with none.
    pub fn decode_first(bytes: &[u8]) -> Result<(Self, usize), DocumentError> {
        let mut reader = Reader::new(bytes.get(..Self::MAX_BYTES).unwrap_or(bytes));
        let page = Self::read(&mut reader)?;
        Ok((page, reader.position()))
    }

    /// Reads what [`Self::encode`] gives.
    ///
    /// # Errors
    /// [`DocumentError`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        super::check_size("a page of a history", bytes, Self::MAX_BYTES)?;
        let mut reader = Reader::new(bytes);
        let page = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(page)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DocumentError> {
        reader.map(6)?;
        reader.key(0)?.constant(FORMAT)?;
        let owner = reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?;
        let tag = Tag::new(reader.key(2)?.fixed()?);
        let first = reader.key(3)?.uint()?;
        let count = reader.key(4)?.array(0..=Self::MAX_LINKS)?;
        let links: Result<_, DecodeError> = (0..count).map(|_| read_link(reader)).collect();
        let page = Self {
            owner,
            tag,
            first,
            links: links?,
            state: read_state(reader.key(5)?)?,
        };
        if page.links.is_empty() && page.state.is_none() {
            return Err(DocumentError::EmptyPage);
        }
        Ok(page)
    }
}

fn read_state(reader: &mut Reader<'_>) -> Result<Option<StateDocument>, DocumentError> {
    if reader.null() {
        return Ok(None);
    }
    StateDocument::decode(reader.bytes(StateDocument::MAX_BYTES)?).map(Some)
}

fn write_link(link: &TagLink, writer: &mut Writer) {
    writer.array(5);
    writer.bytes(link.anchored.event.as_bytes());
    writer.uint(link.anchored.index.0).uint(link.time.0);
    writer.uint(u64::from(link.kind.code()));
    writer.uint(u64::from(link.outcome));
}

fn read_link(reader: &mut Reader<'_>) -> Result<TagLink, DecodeError> {
    reader.array(5..=5)?;
    Ok(TagLink {
        anchored: Anchored {
            event: EventId::new(reader.fixed()?),
            index: Index(reader.uint()?),
        },
        time: Time(reader.uint()?),
        kind: EventKind::from_code(reader.uint()?)?,
        outcome: reader.narrow()?,
    })
}

/// What a whole history proved: that the links of its pages are all there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedHistory {
    /// The participant that sealed records under the tag.
    pub owner: ParticipantName,
    /// The tag.
    pub tag: Tag,
    /// How many events bear it, in the state of `height`.
    pub count: u64,
    /// The height up to which these are all.
    pub height: Height,
    /// The time of that height's block.
    pub time: Time,
    /// The checkpoint it rests on, and whose signatures were counted for it.
    pub checkpoint: VerifiedCheckpoint,
}

/// Checks a history page by page, in memory that does not grow.
///
/// Nothing is proved before [`Self::add`] has given a [`VerifiedHistory`]: what a page before the
/// last one lists is only believed with the last one.
#[derive(Clone, Debug)]
pub struct HistoryVerifier {
    owner: ParticipantName,
    tag: Tag,
    index: TagIndex,
    done: bool,
}

impl HistoryVerifier {
    /// A verifier of the history of `owner`'s tag that has seen no page.
    #[must_use]
    pub const fn new(owner: ParticipantName, tag: Tag) -> Self {
        Self {
            owner,
            tag,
            index: TagIndex::EMPTY,
            done: false,
        }
    }

    /// Takes the next page; gives the verdict once it was the last one.
    ///
    /// # Errors
    /// [`NotProved`] says what does not hold; the history is then worth nothing.
    pub fn add(
        &mut self,
        page: &HistoryPage,
        policy: &dyn CheckpointPolicy,
    ) -> Result<Option<VerifiedHistory>, NotProved> {
        if self.done {
            return Err(NotProved::AfterLast);
        }
        let follows = page.first == self.index.count;
        if !follows || (&page.owner, page.tag) != (&self.owner, self.tag) {
            return Err(NotProved::OtherPage);
        }
        self.index = page
            .links
            .iter()
            .fold(self.index, |index, link| index.after(link));
        let Some(state) = &page.state else {
            return Ok(None);
        };
        self.done = true;
        self.finish(state, policy).map(Some)
    }

    fn finish(
        &self,
        state: &StateDocument,
        policy: &dyn CheckpointPolicy,
    ) -> Result<VerifiedHistory, NotProved> {
        if state.key != TagIndex::key(&self.owner, &self.tag) {
            return Err(NotProved::OtherKey);
        }
        let verified = state.verify(policy)?;
        let part = Part::State;
        let value = verified.value.as_deref().map(TagIndex::decode).transpose();
        let proved = value.map_err(|error| NotProved::Value { part, error })?;
        let proved = proved.unwrap_or(TagIndex::EMPTY);
        if proved != self.index {
            let (found, proved) = (self.index.count, proved.count);
            return Err(NotProved::Chain { found, proved });
        }
        Ok(VerifiedHistory {
            owner: self.owner.clone(),
            tag: self.tag,
            count: proved.count,
            height: verified.height,
            time: verified.time,
            checkpoint: verified.checkpoint,
        })
    }
}
