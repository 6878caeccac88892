//! The card of a patient without a phone: a printed QR code that holds the patient's tag key under a PIN.
//!
//! What always holds: the key is drawn for the card, and the card shows it to nobody without the PIN; a
//! slip in scanning or copying is told from a wrong PIN; what a card asks of the machine that opens it is bounded.
//! Nobody counts tries: whoever has the card, or a picture of it, can try PINs on their own machines
//! for as long as they like. At the default cost a try takes 64 MiB and, measured on one core of a
//! small server, 0.15 s of CPU: the million PINs of six digits take such a core two days, and whoever
//! has a hundred cores half an hour. A lost card is therefore replaced at
//! once, with a new key; the PIN gives the time for it, and a longer
//! one gives more.
//!
//! The card is the text `medanchor-card-v1:` and base64url of these bytes and a check (as for every
//! text that is handed over, see `armor`):
//!
//! | bytes | field |
//! |---|---|
//! | 0 | suite: 1 = Argon2id (RFC 9106, version 19, one lane), AES-256-GCM |
//! | 1..5 | memory of Argon2id in KiB, big-endian: 8,192 to 262,144 |
//! | 5 | passes of Argon2id: 1 to 10 |
//! | 6..22 | network id |
//! | 22..38 | random salt |
//! | 38..86 | the tag key's 32 bytes, sealed, and the tag of 16 |
//!
//! The key is Argon2id(PIN; salt), 32 bytes, and serves this sealing only, so that the nonce is zero.
//! "medanchor/card/v1" and bytes 0..38 are authenticated with it.

mod page;

use crate::armor;
use crate::context::{Context, NoRandomness, random};
use crate::token::HandoverError;
use argon2::{Algorithm, Argon2, Params, Version};
use medanchor_ledger::NetworkId;
use medanchor_vault::secret::TagKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

const LABEL: &str = "medanchor-card-v1";
const DOMAIN: &[u8] = b"medanchor/card/v1";
const SUITE: u8 = 1;
const HEADER: usize = 38;
const LENGTH: usize = HEADER + 32 + 16;
const MEMORY: std::ops::RangeInclusive<u32> = 8 << 10..=256 << 10;
const PASSES: std::ops::RangeInclusive<u8> = 1..=10;

/// Why a card was not made or not opened. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The text is damaged or of another kind.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// No PIN that protects anything.
    #[error(
        "a PIN is 6 to 12 digits, not all the same and not counting up or down; choose another"
    )]
    Pin,
    /// The PIN does not open the card.
    #[error(
        "the PIN is wrong, or this is not a genuine card; try again, or have the card replaced"
    )]
    WrongPin,
    /// The card is another network's.
    #[error("the card is for network {found}, not for {own}; use it there")]
    OtherNetwork {
        /// The card's network.
        found: NetworkId,
        /// The expected network.
        own: NetworkId,
    },
    /// A cost outside the bounds.
    #[error("a card takes 8,192 to 262,144 KiB and 1 to 10 passes; choose a cost within")]
    Cost,
    /// The machine cannot spare the memory, or the code cannot be drawn.
    #[error("{0}")]
    Machine(&'static str),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// A PIN that is worth its name. It is wiped when dropped and has no `Debug`.
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes 6 to 12 digits that are not all the same and do not count up or down.
    ///
    /// # Errors
    /// [`CardError::Pin`].
    pub fn new(text: &str) -> Result<Self, CardError> {
        let digits =
            (6..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let steps = |step: i16| {
            let apart =
                |pair: &[u8]| matches!(pair, [a, b] if i16::from(*b) - i16::from(*a) == step);
            text.as_bytes().windows(2).all(apart)
        };
        if !digits || [-1, 0, 1].into_iter().any(steps) {
            return Err(CardError::Pin);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// What one try of a PIN costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB: 8,192 to 262,144.
    pub memory_kib: u32,
    /// Passes over it: 1 to 10.
    pub passes: u8,
}

impl Default for Cost {
    /// The second recommended choice of RFC 9106 (section 4), with one lane: 64 MiB, 3 passes.
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            passes: 3,
        }
    }
}

/// A card. It is worth guessing at, so it has no `Debug` and is wiped when dropped.
pub struct Card {
    bytes: Zeroizing<[u8; LENGTH]>,
    network: NetworkId,
    cost: Cost,
}

impl Card {
    /// Puts a patient's tag key on a card.
    ///
    /// # Errors
    /// [`CardError`] when the cost is out of bounds or the machine gives no memory or randomness.
    pub fn make(
        key: &TagKey,
        network: NetworkId,
        pin: &Pin,
        cost: Cost,
        context: &dyn Context,
    ) -> Result<Self, CardError> {
        if !MEMORY.contains(&cost.memory_kib) || !PASSES.contains(&cost.passes) {
            return Err(CardError::Cost);
        }
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let (header, sealed) = bytes.split_at_mut(HEADER);
        let salt: [u8; 16] = random(context)?;
        let fields: [&[u8]; 5] = [
            &[SUITE],
            &cost.memory_kib.to_be_bytes(),
            &[cost.passes],
            network.as_bytes(),
            &salt,
        ];
        header.copy_from_slice(&fields.concat()); // 1 + 4 + 1 + 16 + 16 = 38 bytes
        let (secret, tag) = sealed.split_at_mut(32);
        secret.copy_from_slice(key.expose());
        let sealing = sealing_key(pin, cost, &salt)?;
        let made = sealing.seal_in_place_separate_tag(nonce(), aad(header), secret);
        // AES-GCM refuses only what is longer than 64 GiB.
        let made =
            made.map_err(|_| CardError::Machine("the key could not be sealed; try again"))?;
        tag.copy_from_slice(made.as_ref()); // 16 bytes
        Ok(Self {
            bytes,
            network,
            cost,
        })
    }

    /// The card's network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The text of the QR code.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        armor::to_text(LABEL, self.bytes.as_slice())
    }

    /// Reads a scanned card. Nothing is tried yet.
    ///
    /// # Errors
    /// [`CardError::Handover`] when the text is damaged, of another kind, or asks for a cost that is
    /// out of bounds.
    pub fn from_text(text: &str) -> Result<Self, CardError> {
        let bytes = armor::from_text(LABEL, text.trim(), LENGTH).map_err(HandoverError::from)?;
        let wrong = |what| CardError::Handover(HandoverError::Inconsistent(what));
        let bytes: &[u8; LENGTH] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| wrong("a card has 86 bytes"))?;
        let [suite, m0, m1, m2, m3, passes, rest @ ..] = bytes;
        let cost = Cost {
            memory_kib: u32::from_be_bytes([*m0, *m1, *m2, *m3]),
            passes: *passes,
        };
        let network = rest
            .first_chunk::<16>()
            .ok_or(wrong("a card has 86 bytes"))?;
        match () {
            () if *suite != SUITE => Err(wrong("the card's suite is unknown; update the software")),
            () if !MEMORY.contains(&cost.memory_kib) => {
                Err(wrong("a card takes 8,192 to 262,144 KiB"))
            }
            () if !PASSES.contains(&cost.passes) => Err(wrong("a card takes 1 to 10 passes")),
            () => Ok(Self {
                bytes: Zeroizing::new(*bytes),
                network: NetworkId::new(*network),
                cost,
            }),
        }
    }

    /// Opens the card.
    ///
    /// # Errors
    /// [`CardError::OtherNetwork`] before the PIN is tried; [`CardError::WrongPin`].
    pub fn open(&self, network: NetworkId, pin: &Pin) -> Result<TagKey, CardError> {
        if self.network != network {
            return Err(CardError::OtherNetwork {
                found: self.network,
                own: network,
            });
        }
        let (header, sealed) = self.bytes.split_at(HEADER);
        let salt = header.last_chunk::<16>().ok_or(CardError::WrongPin)?;
        let key = sealing_key(pin, self.cost, salt)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = key
            .open_in_place(nonce(), aad(header), &mut sealed)
            .map_err(|_| CardError::WrongPin)?;
        let opened = opened.first_chunk::<32>().ok_or(CardError::WrongPin)?;
        Ok(TagKey::new(*opened))
    }
}

/// The key serves one sealing, because its salt is random.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn aad(header: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([DOMAIN, header].concat())
}

fn sealing_key(pin: &Pin, cost: Cost, salt: &[u8; 16]) -> Result<LessSafeKey, CardError> {
    const REFUSED: &str =
        "the machine cannot spare the memory that a card takes; free some and try again";
    let refused = || CardError::Machine(REFUSED);
    let parameters = Params::new(cost.memory_kib, cost.passes.into(), 1, Some(32));
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        parameters.map_err(|_| refused())?,
    );
    let mut key = Zeroizing::new([0; 32]);
    argon2
        .hash_password_into(pin.0.as_bytes(), salt, key.as_mut_slice())
        .map_err(|_| refused())?;
    let unbound = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| refused())?;
    Ok(LessSafeKey::new(unbound))
}

#[cfg(test)]
mod tests;
