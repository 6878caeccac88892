//! Documents that prove what the state holds, made from what this node keeps.
//!
//! What always holds: a document rests on the newest published checkpoint and on the state that the
//! node itself computed for that height; a height whose state is not kept is said to be so, and what
//! is kept is named. A history that the index does not list whole is never handed out.

use crate::chain::Shared;
use crate::http::service::{Provable, Published};
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, SealProof, StateClaim, StateDocument,
};
use medanchor_ledger::event::Event;
use medanchor_ledger::merkle::inclusion_proof;
use medanchor_ledger::note::Note;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::rules::tag::{TagLink, moved};
use medanchor_ledger::rules::{Anchored, StateValue, TagIndex};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::{StateKey, StateMap};
use medanchor_ledger::{EventId, Height, Index, ParticipantName, ReadFailed, Size, Tag, TreeHash};
use medanchor_store::{Store, StoreError, Tagged};

/// A state that a published checkpoint covers.
struct Covered {
    height: Height,
    map: StateMap,
    published: Published,
}

/// Either, or why there is none.
type Found<T> = Result<Result<T, Provable>, ReadFailed>;

/// An entry's receipt under a checkpoint that covers it.
///
/// # Errors
/// When storage cannot be read.
pub fn receipt_under(
    store: &Store,
    published: &Published,
    index: Index,
) -> Result<Receipt, ReadFailed> {
    let checkpoint = Note::parse(&published.note).map_err(|error| ReadFailed(Box::new(error)))?;
    Ok(Receipt {
        index,
        proof: inclusion(store, published, index)?,
        checkpoint,
        extra: None,
    })
}

fn inclusion(
    store: &Store,
    published: &Published,
    index: Index,
) -> Result<Vec<TreeHash>, ReadFailed> {
    let proof = inclusion_proof(&store.nodes(), index, published.checkpoint.size);
    proof.map_err(|error| ReadFailed(Box::new(error)))
}

/// The value of a key, or its absence, at a height; at the newest one that can be proved for none.
///
/// # Errors
/// When storage cannot be read.
pub fn state_document(
    shared: &Shared,
    key: &StateKey,
    height: Option<Height>,
) -> Result<Provable, ReadFailed> {
    let covered = match covered(shared, height)? {
        Ok(covered) => covered,
        Err(why) => return Ok(why),
    };
    let document = document(shared, &covered, key)?;
    Ok(Provable::Made(covered.height, document.encode().into()))
}

fn document(
    shared: &Shared,
    covered: &Covered,
    key: &StateKey,
) -> Result<StateDocument, ReadFailed> {
    Ok(StateDocument {
        key: key.clone(),
        claim: StateClaim::of(&covered.map, key)?,
        seal: seal_proof(&shared.store, &covered.published, covered.height)?,
    })
}

/// The access receipt of an event.
///
/// # Errors
/// When storage cannot be read.
pub fn access_receipt(shared: &Shared, id: &EventId) -> Result<Provable, ReadFailed> {
    let store = &shared.store;
    let Some(index) = store.index_of(id)? else {
        return Ok(Provable::Unknown);
    };
    let Some(height) = store.view().height_of(index)? else {
        return Ok(Provable::Unknown);
    };
    let event = event(store, index)?;
    if !matches!(
        event.body(),
        medanchor_ledger::event::EventBody::AccessRequest(_)
    ) {
        return Ok(Provable::NotARequest);
    }
    let covered = match covered(shared, Some(height))? {
        Ok(covered) => covered,
        Err(why) => return Ok(why),
    };
    let seal = seal_proof(store, &covered.published, height)?;
    let inclusion = inclusion(store, &covered.published, index)?;
    let receipt = AccessReceipt::new(event, inclusion, &covered.map, seal)?;
    let made = receipt.map(|receipt| Provable::Made(height, receipt.encode().into()));
    Ok(made.unwrap_or(Provable::NotARequest))
}

/// The page of a tag's history that begins after its first `first` links.
///
/// # Errors
/// When storage cannot be read, or the index does not list what the state counts.
pub fn history(
    shared: &Shared,
    owner: &ParticipantName,
    tag: &Tag,
    first: u64,
) -> Result<Provable, ReadFailed> {
    let covered = match covered(shared, None)? {
        Ok(covered) => covered,
        Err(why) => return Ok(why),
    };
    let store = &shared.store;
    let key = TagIndex::key(owner, tag);
    let state = document(shared, &covered, &key)?;
    let value = state.claim.value.as_deref().map(TagIndex::decode);
    let known = value
        .transpose()
        .map_err(|error| ReadFailed(Box::new(error)))?;
    let known = known.unwrap_or(TagIndex::EMPTY);
    let Some(left) = known.count.checked_sub(first) else {
        return Ok(Provable::Beyond(known.count));
    };
    let wanted = usize::try_from(left).unwrap_or(usize::MAX);
    let wanted = wanted.min(HistoryPage::MAX_LINKS);
    let size = seal(store, covered.height)?
        .size_after()
        .unwrap_or_default();
    let places = match wanted {
        // Nothing to look for, and no reason to wait for an index.
        0 => Vec::new(),
        _ => match store.tagged(&key, first, wanted, size)? {
            Tagged::Found(places) => places,
            Tagged::Off => return Ok(Provable::NoIndex),
            Tagged::Behind(at) => return Ok(Provable::IndexBehind(at, size)),
        },
    };
    let links = links(store, &covered.map, &key, &places)?;
    let is_last = first.saturating_add(links.len() as u64) == known.count;
    let page = HistoryPage {
        owner: owner.clone(),
        tag: *tag,
        first,
        links,
        state: is_last.then_some(state),
    };
    if page.links.len() != wanted || !is_whole(&page, &known) {
        return Err(ReadFailed(Box::new(WrongIndex)));
    }
    Ok(Provable::Made(covered.height, page.encode().into()))
}

/// Whether a history of one page has the chain that the state has; others are checked by the client.
fn is_whole(page: &HistoryPage, known: &TagIndex) -> bool {
    let chain = page.links.iter();
    let chain = chain.fold(TagIndex::EMPTY, |index, link| index.after(link));
    page.first > 0 || page.state.is_none() || chain == *known
}

/// The index of histories is not that of the log.
#[derive(Debug, thiserror::Error)]
#[error(
    "the index of histories does not fit the state; stop the node, delete data/histories and start it again"
)]
struct WrongIndex;

fn links(
    store: &Store,
    map: &StateMap,
    key: &StateKey,
    places: &[Index],
) -> Result<Vec<TagLink>, ReadFailed> {
    let mut links = Vec::with_capacity(places.len());
    let mut block: Option<(Seal, Size)> = None;
    store.each_entry(places, |index, entry| {
        let event = decoded(entry)?;
        let inside = |(seal, end): &&(Seal, Size)| seal.first <= index && index.0 < end.0;
        if block.as_ref().filter(inside).is_none() {
            let height = store.view().height_of(index)?.ok_or_else(missing)?;
            let seal = seal(store, height)?;
            let end = seal.size_after().unwrap_or_default();
            block = Some((seal, end));
        }
        let moved = moved(&event, index, map)?;
        let ours = moved.into_iter().find(|(found, _)| found == key);
        let (Some((_, outcome)), Some((seal, _))) = (ours, &block) else {
            return Ok(());
        };
        links.push(TagLink {
            anchored: Anchored {
                event: event.id(),
                index,
            },
            time: seal.time,
            kind: event.kind(),
            outcome,
        });
        Ok::<_, ReadFailed>(())
    })?;
    Ok(links)
}

/// The state of a height under the newest published checkpoint.
fn covered(shared: &Shared, height: Option<Height>) -> Found<Covered> {
    let store = &shared.store;
    let published = shared.published.borrow().clone();
    let Some(published) = published else {
        return Ok(Err(Provable::NotCheckpointed(None)));
    };
    let last = Index(published.checkpoint.size.0.saturating_sub(1));
    let newest = store.view().height_of(last)?.ok_or_else(missing)?;
    let wanted = match height {
        Some(height) if height > newest => return Ok(Err(Provable::NotCheckpointed(Some(newest)))),
        Some(height) => height,
        None => newest,
    };
    let kept = store.state_at(wanted).map(|map| (wanted, map));
    // The newest one that is published may have been let go already, and one before it not.
    let earlier = || {
        store
            .newest_published_state()
            .filter(|(kept, _)| *kept <= newest)
    };
    let found = match height {
        Some(_) => kept,
        None => kept.or_else(earlier),
    };
    Ok(match found {
        Some((height, map)) => Ok(Covered {
            height,
            map,
            published,
        }),
        None => Err(Provable::NotKept {
            oldest: store.oldest_state().filter(|oldest| *oldest <= newest),
            newest,
        }),
    })
}

fn seal_proof(
    store: &Store,
    published: &Published,
    height: Height,
) -> Result<SealProof, ReadFailed> {
    let seal = seal(store, height)?;
    let index = Index(seal.first.0.saturating_add(seal.count));
    Ok(SealProof {
        receipt: receipt_under(store, published, index)?,
        seal,
    })
}

fn seal(store: &Store, height: Height) -> Result<Seal, ReadFailed> {
    let (_, size) = store.view().block_range(height)?.ok_or_else(missing)?;
    let entry = store.entry(Index(size.0.saturating_sub(1)))?;
    let seal = Seal::decode(&entry.ok_or_else(missing)?);
    seal.map_err(|error| ReadFailed(Box::new(error)))
}

fn event(store: &Store, index: Index) -> Result<Event, ReadFailed> {
    decoded(&store.entry(index)?.ok_or_else(missing)?)
}

fn decoded(entry: &[u8]) -> Result<Event, ReadFailed> {
    Event::decode(entry).map_err(|error| ReadFailed(Box::new(error)))
}

const fn missing() -> StoreError {
    StoreError::Contradiction {
        what: "entry of a decided height",
    }
}
