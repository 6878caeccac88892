//! The owner's side of a read: its part of a record's key, and the sealed payload, for whom the ledger
//! permits.
//!
//! What always holds: neither goes out unless the access stands at this moment, judged by the same
//! terms as a custodian judges by; the vault's part goes out sealed to the key that the request names; a
//! refusal of it on a request that the ledger knows is signed.

use super::custodian::refused;
use super::places::Places;
use super::reply::{Reply, SHORT};
use super::router::Answers;
use super::senders::Senders;
use crate::http::problem::{Code, Problem};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{ParticipantName, TlsKeyHash};
use medanchor_sdk::Sdk;
use medanchor_sdk::custody::{Refused, ReleaseAsk, Sharing, Standing, Terms};
use medanchor_sdk::direct::{Ask, Statement};
use medanchor_vault::{PartError, StoredPayload, VaultError};
use std::io::{ErrorKind, Read};
use std::sync::Arc;

/// An owner's vault as a service.
pub struct Owner {
    sdk: Arc<Sdk>,
    genesis: Genesis,
    senders: Senders,
    places: Places,
    terms: Terms,
}

impl Owner {
    /// The service of an identity, which works on so many requests at once.
    #[must_use]
    pub fn new(sdk: Arc<Sdk>, genesis: Genesis, terms: Terms, requests: usize) -> Self {
        Self {
            sdk,
            genesis,
            senders: Senders::default(),
            places: Places::beside(requests),
            terms,
        }
    }

    /// How the access stands that a statement asks on, if it is about this owner's record.
    fn standing(&self, statement: &Statement) -> Result<(ReleaseAsk, Standing), Problem> {
        let ask = ReleaseAsk::decode(&statement.body)
            .map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
        let access = ask.access(&statement.from);
        let standing = Standing::fetch_by(self.sdk.client(), &access, &self.terms);
        let standing = standing.map_err(|error| super::custodian::unknown(&error))?;
        if standing.owner != *self.sdk.participant() {
            return Err(refused(Refused::NotHere));
        }
        Ok((ask, standing))
    }

    /// Gives the part of the key, if the access stands at this moment. That it is refused is signed, with the
    /// time at which it was judged.
    fn give_part(&self, asked: &ReleaseAsk, standing: &Standing) -> Result<Reply, Problem> {
        let now = self.sdk.now();
        let judged = standing.judge(&asked.reader.reader_key(), now, &self.terms);
        let given = judged.map_err(refused).and_then(|()| {
            let part = self.sdk.release_part(standing, &asked.reader);
            part.map_err(|error| part_problem(&error))
        });
        given.map(Reply::from).map_err(|problem| {
            let signed = (self.sdk).refuse_part(standing, (&asked.reader, now), problem.code());
            match signed {
                Some(signed) => problem.with_refusal(&signed),
                None => problem,
            }
        })
    }

    /// Gives the payload, if the access stands at this moment.
    fn give_payload(
        &self,
        from: &ParticipantName,
        asked: &ReleaseAsk,
        standing: &Standing,
    ) -> Result<Reply, Problem> {
        let judged = standing.judge(&asked.reader.reader_key(), self.sdk.now(), &self.terms);
        judged.map_err(refused)?;
        let stored = self.sdk.release_payload(standing);
        let stored = stored.map_err(|error| part_problem(&error))?;
        sent(stored, from, &self.places)
    }

    /// The custodians' acknowledgements of one sharing. They say what the ledger says, so every participant
    /// gets them.
    fn acknowledgements(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let sharing = Sharing::decode(&statement.body).ok_or_else(|| {
            let detail = "the body is the record's handle, version and epoch, 24 bytes";
            Problem::new(Code::Malformed, detail)
        })?;
        let kept = self.sdk.acknowledgements_as_kept(&sharing);
        let kept = kept.map_err(|error| {
            tracing::error!(%error, "acknowledgements cannot be read");
            let detail = "the acknowledgements cannot be read; tell the operator";
            Problem::new(Code::Storage, detail)
        })?;
        kept.ok_or_else(|| refused(Refused::NotHere))
    }
}

/// A payload as it goes out: a short one, which care may wait for, like any other answer; a long one while it is
/// read, if there is a place for it.
fn sent(stored: StoredPayload, to: &ParticipantName, places: &Places) -> Result<Reply, Problem> {
    let length = stored.length();
    if length > SHORT {
        let place = places.take(to)?;
        return Ok(Reply::Payload(stored, place));
    }
    let mut bytes = Vec::new();
    let read = stored.take(length).read_to_end(&mut bytes);
    let read = read.and_then(|read| match read as u64 == length {
        true => Ok(bytes),
        false => Err(ErrorKind::UnexpectedEof.into()),
    });
    let read = read.map_err(|error| part_problem(&PartError::Payload(error)))?;
    Ok(Reply::Whole(read))
}

/// What the system says may name paths, so it stays in the log.
fn part_problem(error: &PartError) -> Problem {
    match error {
        PartError::Vault(VaultError::Erased { .. }) => refused(Refused::Erased),
        PartError::Vault(VaultError::NoKey { .. }) => refused(Refused::NotHere),
        other => {
            tracing::error!(error = %other, "the vault cannot be used");
            let detail = "the vault cannot be used now; tell its operator, and try again later";
            Problem::of_custody("custody.vault-unusable", true, detail.into())
        }
    }
}

impl Answers for Owner {
    const ASKS: &'static [Ask] = &[Ask::VaultRelease, Ask::Payload, Ask::Acknowledgements];

    fn answer(&self, ask: Ask, statement: &[u8], channel: TlsKeyHash) -> Result<Reply, Problem> {
        let here = (&*self.sdk, &self.genesis, &self.terms);
        let (statement, _) = self.senders.statement(here, ask, statement, channel)?;
        if ask == Ask::Acknowledgements {
            return self.acknowledgements(&statement).map(Reply::from);
        }
        let (asked, standing) = self.standing(&statement)?;
        match ask {
            Ask::VaultRelease => self.give_part(&asked, &standing),
            _ => self.give_payload(&statement.from, &asked, &standing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::{NetworkId, RecordHandle};
    use medanchor_vault::Vault;
    use medanchor_vault::seal::{CHUNK, HEADER, TAG};

    /// Two participants that took studies slowly kept a third from a record of 4 KiB.
    #[test]
    fn a_short_payload_goes_out_though_all_places_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NetworkId::new([1; 16])).unwrap();
        let stored = |number: u8, sealed: u64| {
            let record = RecordHandle::new([number; 16]);
            let chunks = (sealed - HEADER as u64).div_ceil((CHUNK + TAG) as u64);
            let length = sealed - HEADER as u64 - chunks * TAG as u64;
            let study = std::io::repeat(7).take(length);
            vault.seal_stream(record, 1, study).unwrap();
            let stored = vault.sealed_payload(record, 1).unwrap();
            assert_eq!(stored.length(), sealed);
            stored
        };
        let (places, name) = (Places::beside(4), "south-hospital".parse().unwrap());
        let long = sent(stored(1, SHORT + 1), &name, &places).unwrap();
        assert!(matches!(long, Reply::Payload(..)));
        let busy = sent(stored(2, SHORT + 1), &name, &places).err().unwrap();
        assert_eq!(busy.code(), "busy");
        for (number, length) in [(3, 4096), (4, SHORT)] {
            match sent(stored(number, length), &name, &places).unwrap() {
                Reply::Whole(bytes) => assert_eq!(bytes.len() as u64, length),
                Reply::Payload(..) => panic!("{length} bytes took a place"),
            }
        }
        drop(long);
        sent(stored(5, SHORT + 1), &name, &places).unwrap();
    }
}
