//! A request from one participant to another, signed.
//!
//! What always holds: a statement that was verified was made by a registered key of the participant it
//! names, for this receiver, this network, this TLS channel and this time. Sent again over another
//! channel, or to another receiver, it is refused; sent again over its own, it asks for what was
//! given before, since every request is answered the same way twice.
//!
//! A statement is the deterministic CBOR array `[head, key id, signature, body]`. The head is a byte
//! string that holds the map below; the signature covers `"medanchor/direct/v1" ‖ head`.
//!
//! | key | value |
//! |---|---|
//! | 1 | network id, 16 bytes |
//! | 2 | who asks |
//! | 3 | who is asked |
//! | 4 | channel: SHA-256 of the DER SubjectPublicKeyInfo of the asker's TLS certificate |
//! | 5 | time, in milliseconds since 1970 |
//! | 6 | nonce, 16 random bytes |
//! | 7 | what is asked for: [`Ask`]'s code |
//! | 8 | SHA-256 of the body |

use super::Ask;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::signature::{PublicKey, Signature, SigningKey, verify};
use medanchor_ledger::{KeyId, NetworkId, Nonce, ParticipantName, Time, TlsKeyHash, sha256};

/// The most bytes of a body.
pub const MAX_BODY: usize = 256 << 10;
/// The most bytes of a statement.
pub const MAX_STATEMENT: usize = MAX_BODY + 1024;
/// How far a statement's time may be from the receiver's clock, in milliseconds.
const MAX_SKEW: u64 = 2 * 60 * 1000;
const DOMAIN: &[u8] = b"medanchor/direct/v1";
const MAX_HEAD: usize = 512;

/// A request from one participant to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The network whose participants both are.
    pub network: NetworkId,
    /// Who asks.
    pub from: ParticipantName,
    /// Who is asked.
    pub to: ParticipantName,
    /// The hash of the TLS key that the asker shows.
    pub channel: TlsKeyHash,
    /// When it was made.
    pub time: Time,
    /// What makes it one of a kind.
    pub nonce: Nonce,
    /// What is asked for.
    pub ask: Ask,
    /// The request itself.
    pub body: Vec<u8>,
}

/// What a receiver accepts.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The receiver's network.
    pub network: NetworkId,
    /// The receiver.
    pub to: &'a ParticipantName,
    /// The hash of the TLS key that the asker showed.
    pub channel: TlsKeyHash,
    /// The receiver's clock.
    pub now: Time,
    /// What may be asked for at this place.
    pub ask: Ask,
}

/// Why a statement is not accepted. Nothing is verified yet then, so no message repeats a word of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not the one encoding of a statement.
    #[error("the statement cannot be decoded: {0}; send what the SDK makes")]
    Decode(#[from] CborError),
    /// Longer than any statement.
    #[error("the statement is longer than {MAX_STATEMENT} bytes; send less")]
    TooLong,
    /// It asks for something else, or for what nobody knows.
    #[error("the statement asks for something else than is given here; post it to its own path")]
    Ask,
    /// Made for another network.
    #[error("the statement is for network {found}; use the identity of this network")]
    OtherNetwork {
        /// The network it is for.
        found: NetworkId,
    },
    /// Made for another receiver.
    #[error("the statement is made out to somebody else; send it there")]
    OtherReceiver,
    /// It came over another channel than it was made for.
    #[error("the statement was made for another TLS key; sign it for the one that is shown")]
    Channel,
    /// Its time is too far from the receiver's clock.
    #[error("the statement's time is more than two minutes off; set the clocks and sign it anew")]
    Time,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed; send the statement as it was made")]
    Body,
    /// The signer or the key is not registered.
    #[error("no such participant has registered this key; register it first")]
    UnknownKey,
    /// The signature does not hold.
    #[error("the statement's signature does not hold; sign it with the key it names")]
    Signature,
}

impl Statement {
    /// Signs it; gives its one encoding.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let head = self.head();
        let signature = key.sign(&[DOMAIN, &head].concat());
        let mut writer = Writer::with_capacity(head.len() + self.body.len() + 128);
        writer.array(4).bytes(&head);
        writer.bytes(key.public_key().id().as_bytes());
        writer.bytes(signature.as_bytes()).bytes(&self.body);
        writer.into_bytes()
    }

    /// Reads a statement and checks all that it says against what is expected and the key that
    /// `key_of` knows for its sender; gives that key, too.
    ///
    /// # Errors
    /// [`StatementError`] says what does not hold.
    pub fn verify(
        bytes: &[u8],
        expected: &Expected<'_>,
        key_of: impl FnOnce(&ParticipantName, &KeyId) -> Option<PublicKey>,
    ) -> Result<(Self, PublicKey), StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        reader.array(4..=4)?;
        let head = reader.bytes(MAX_HEAD)?;
        let key_id = KeyId::new(reader.fixed()?);
        let signature = Signature::new(reader.fixed()?);
        let body = reader.bytes(MAX_BODY)?;
        reader.finish()?;
        let statement = Self::read(head, body)?;
        statement.meets(expected)?;
        let key = key_of(&statement.from, &key_id).ok_or(StatementError::UnknownKey)?;
        verify(&key, &[DOMAIN, head].concat(), &signature)
            .map_err(|_| StatementError::Signature)?;
        Ok((statement, key))
    }

    fn head(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        writer.map(8);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.from.as_str());
        writer.key(3).text(self.to.as_str());
        writer.key(4).bytes(self.channel.as_bytes());
        writer.key(5).uint(self.time.0);
        writer.key(6).bytes(self.nonce.as_bytes());
        writer.key(7).uint(u64::from(self.ask.code()));
        writer.key(8).bytes(&sha256(&[&self.body]));
        writer.into_bytes()
    }

    fn read(head: &[u8], body: &[u8]) -> Result<Self, StatementError> {
        let mut reader = Reader::new(head);
        reader.map(8)?;
        let statement = Self {
            network: NetworkId::new(reader.key(1)?.fixed()?),
            from: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            to: reader.key(3)?.parsed(ParticipantName::MAX_LENGTH)?,
            channel: TlsKeyHash::new(reader.key(4)?.fixed()?),
            time: Time(reader.key(5)?.uint()?),
            nonce: Nonce::new(reader.key(6)?.fixed()?),
            ask: read_ask(reader.key(7)?)?,
            body: body.to_vec(),
        };
        let hash: [u8; 32] = reader.key(8)?.fixed()?;
        reader.finish()?;
        if hash == sha256(&[body]) {
            Ok(statement)
        } else {
            Err(StatementError::Body)
        }
    }

    fn meets(&self, expected: &Expected<'_>) -> Result<(), StatementError> {
        match () {
            () if self.network != expected.network => Err(StatementError::OtherNetwork {
                found: self.network,
            }),
            () if self.to != *expected.to => Err(StatementError::OtherReceiver),
            () if self.ask != expected.ask => Err(StatementError::Ask),
            () if self.channel != expected.channel => Err(StatementError::Channel),
            () if self.time.0.abs_diff(expected.now.0) > MAX_SKEW => Err(StatementError::Time),
            () => Ok(()),
        }
    }
}

fn read_ask(reader: &mut Reader<'_>) -> Result<Ask, StatementError> {
    let value = reader.fault(CborFault::Value);
    Ask::from_code(reader.narrow()?).ok_or(StatementError::Decode(value))
}

#[cfg(test)]
mod tests;
