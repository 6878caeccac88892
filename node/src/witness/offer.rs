//! A checkpoint as it is offered to witnesses, and one witness's answer to it.

use super::Trouble;
use super::line::{Answer, Line};
use crate::chain::Shared;
use crate::http::service::Published;
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::consistency_proof;
use medanchor_ledger::note::{Note, NoteError, NoteSignature, VerifierKey};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::witness::{AddCheckpoint, AnswerError, conflict_size, cosignatures};
use std::sync::Arc;

/// A checkpoint signed by the publisher.
pub(super) struct Offer {
    pub(super) checkpoint: Checkpoint,
    /// The quorum's note and the publisher's signature.
    pub(super) note: Note,
}

impl Offer {
    /// Signs a published checkpoint. To be called once the checkpoint is remembered as signed.
    pub(super) fn sign(published: &Published, publisher: &SigningKey) -> Result<Self, NoteError> {
        let quorum = Note::parse(&published.note)?;
        let own = published.checkpoint.sign(publisher);
        let lines = [quorum.signatures(), &[own]].concat();
        Ok(Self {
            checkpoint: published.checkpoint.clone(),
            note: Note::new(quorum.text(), lines)?,
        })
    }

    /// The note with these further lines.
    pub(super) fn with(&self, cosignatures: &[NoteSignature]) -> Result<Note, NoteError> {
        let lines = [self.note.signatures(), cosignatures].concat();
        Note::new(self.note.text(), lines)
    }
}

/// Asks a witness for its cosignature, and once more if it says that it is at another size than
/// `old`.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    line: &Line,
    keys: &[VerifierKey],
    offer: &Offer,
    old: Size,
) -> Result<Vec<NoteSignature>, Trouble> {
    match ask_once(shared, line, offer, old).await? {
        Answer::Cosigned(body) => judge(&body, offer, keys),
        Answer::Conflict(body) => {
            let size = conflict_size(&body).map_err(|_| Trouble::Malformed)?;
            if size > offer.checkpoint.size {
                return Err(Trouble::Ahead);
            }
            match ask_once(shared, line, offer, size).await? {
                Answer::Cosigned(body) => judge(&body, offer, keys),
                Answer::Conflict(_) => Err(Trouble::Status(409)),
            }
        }
    }
}

fn judge(body: &[u8], offer: &Offer, keys: &[VerifierKey]) -> Result<Vec<NoteSignature>, Trouble> {
    cosignatures(body, offer.note.text(), keys).map_err(|error| match error {
        AnswerError::NoCosignature => Trouble::NoCosignature,
        AnswerError::Broken => Trouble::BadCosignature,
        _ => Trouble::Malformed,
    })
}

async fn ask_once(
    shared: &Arc<Shared>,
    line: &Line,
    offer: &Offer,
    old: Size,
) -> Result<Answer, Trouble> {
    let new = offer.checkpoint.size;
    let proof = if old == Size(0) {
        Vec::new()
    } else {
        let shared = Arc::clone(shared);
        let read = move || consistency_proof(&shared.store.nodes(), old, new);
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.map_err(|_| Trouble::Storage)?;
        read.map_err(|error| {
            tracing::error!(%error, "a consistency proof could not be made");
            Trouble::Storage
        })?
    };
    let checkpoint = offer.note.clone();
    let request = AddCheckpoint {
        old,
        proof,
        checkpoint,
    };
    line.ask(request.to_string()).await
}

#[cfg(test)]
mod tests;
