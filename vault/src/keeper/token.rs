//! The institution key in a PKCS#11 token (OASIS PKCS #11 2.40): an HSM, a smart card, or SoftHSM.
//!
//! What always holds: the key is drawn in the token, is sensitive and not extractable, and a token that
//! says otherwise is refused; secrets are wrapped and unwrapped one by one, in the token. Whoever copies
//! this process's memory has the secrets in use at that moment and nothing that opens others later.
//!
//! A module is code of the token's maker that runs in this process: its path is the operator's to give.

use super::marks::TokenMarks;
use super::{KeeperError, KeyId, SEALED, Wrapped};
use crate::secret::random;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// What the keys are called in the token, for whoever lists it.
const LABEL: &[u8] = b"medanchor institution key";

/// Where a token is, and its user's PIN.
pub struct TokenLogin {
    /// The PKCS#11 module: a library of the token's maker.
    pub module: PathBuf,
    /// The token's label. Where a key is made or destroyed, it says in which token. Where one is used, the key
    /// file names the token, which must bear this label, unless it is empty: no PIN is tried at another token.
    pub label: String,
    /// The user's PIN.
    pub pin: SecretString,
}

/// A token's serial number, padded with blanks as PKCS#11 has it.
pub(crate) type Serial = [u8; 16];

/// A key in a token, with the session in which it is used.
pub(crate) struct TokenKey {
    key: ObjectHandle,
    /// The session, and what is counted beside the key.
    marks: TokenMarks,
}

pub(super) fn refused(asked: &'static str) -> impl FnOnce(Error) -> KeeperError {
    move |error| {
        let why = match error {
            // The name of what went wrong; the crate's own text is a paragraph of the standard.
            Error::Pkcs11(said, _) => format!("{said:?}"),
            other => other.to_string(),
        };
        KeeperError::Token { asked, why }
    }
}

pub(super) fn wrong(asked: &'static str, why: &str) -> KeeperError {
    KeeperError::Token {
        asked,
        why: why.into(),
    }
}

fn load(module: &Path) -> Result<Pkcs11, KeeperError> {
    let context = Pkcs11::new(module).map_err(refused("be loaded"))?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another vault of this process did.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(context),
        Err(error) => Err(refused("begin")(error)),
    }
}

/// Whether the module says that the token in a slot is hardware.
fn is_hardware(context: &Pkcs11, slot: Slot) -> Result<bool, KeeperError> {
    let slot = context.get_slot_info(slot);
    Ok(slot.map_err(refused("be found"))?.hardware_slot())
}

impl TokenLogin {
    fn context(&self) -> Result<Pkcs11, KeeperError> {
        load(&self.module)
    }

    fn session(&self, context: &Pkcs11, slot: Slot) -> Result<Session, KeeperError> {
        let session = context
            .open_rw_session(slot)
            .map_err(refused("open a session"))?;
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(refused("log in")(error)),
        }
    }

    /// The one token of which `is_it` holds.
    fn find(
        context: &Pkcs11,
        is_it: impl Fn(&str, &Serial) -> bool,
    ) -> Result<(Slot, Serial), KeeperError> {
        let asked = "be found";
        let slots = context
            .get_slots_with_initialized_token()
            .map_err(refused(asked))?;
        let mut found = Vec::new();
        for slot in slots {
            let token = context.get_token_info(slot).map_err(refused(asked))?;
            let serial = padded(token.serial_number());
            if is_it(token.label(), &serial) {
                found.push((slot, serial));
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(wrong(asked, "no such token is plugged in")),
            _ => Err(wrong(asked, "several tokens bear this label")),
        }
    }

    /// The one token that bears the label.
    fn labelled(&self, context: &Pkcs11) -> Result<(Slot, Serial), KeeperError> {
        Self::find(context, |label, _| label == self.label)
    }

    /// The slot of the token with a serial number.
    fn slot_of(&self, context: &Pkcs11, serial: &Serial) -> Result<Slot, KeeperError> {
        let (slot, _) = Self::find(context, |_, found| found == serial)?;
        let token = context.get_token_info(slot).map_err(refused("be found"))?;
        match self.label.is_empty() || token.label() == self.label {
            true => Ok(slot),
            false => Err(wrong(LOGIN, OTHERS)),
        }
    }

    /// Draws a new key in the token.
    pub(crate) fn create(&self) -> Result<(TokenKey, Serial), KeeperError> {
        let context = self.context()?;
        let (slot, serial) = self.labelled(&context)?;
        let session = self.session(&context, slot)?;
        let id = KeyId::new(random()?);
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::ValueLen(32.into()),
            Attribute::Id(id.as_bytes().to_vec()),
            Attribute::Label(LABEL.to_vec()),
        ];
        let key = session
            .generate_key(&Mechanism::AesKeyGen, &template)
            .map_err(refused("draw a key"))?;
        let hardware = is_hardware(&context, slot)?;
        let marks = TokenMarks {
            session,
            id,
            hardware,
        };
        let token = TokenKey { key, marks };
        token.check()?;
        Ok((token, serial))
    }

    /// Finds a key that [`TokenLogin::create`] drew.
    pub(crate) fn open(&self, serial: &Serial, id: KeyId) -> Result<TokenKey, KeeperError> {
        let context = self.context()?;
        let slot = self.slot_of(&context, serial)?;
        let session = self.session(&context, slot)?;
        let [key] = *keys_of(&session, id)?.as_slice() else {
            return Err(wrong(FIND, "not one key bears the id of the key file"));
        };
        let hardware = is_hardware(&context, slot)?;
        let marks = TokenMarks {
            session,
            id,
            hardware,
        };
        let token = TokenKey { key, marks };
        token.check()?;
        Ok(token)
    }

    /// Destroys a key that [`TokenLogin::create`] drew; nothing to do where it is gone. The label has to name
    /// that token, and no other one: whoever tries again and again would lock it with another's PIN.
    pub(crate) fn destroy(&self, serial: &Serial, id: KeyId) -> Result<(), KeeperError> {
        let context = self.context()?;
        let (slot, found) = self.labelled(&context)?;
        if found != *serial {
            return Err(wrong(LOGIN, OTHERS));
        }
        let session = self.session(&context, slot)?;
        keys_of(&session, id)?
            .into_iter()
            .try_for_each(|key| destroy(&session, key))
    }
}

/// What a token is asked that the login is not for.
const LOGIN: &str = "take this login";
const OTHERS: &str = "it is for a token of another label";

/// What a token is asked where a key is looked up.
const FIND: &str = "find the institution key";

fn keys_of(session: &Session, id: KeyId) -> Result<Vec<ObjectHandle>, KeeperError> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Id(id.as_bytes().to_vec()),
    ];
    session.find_objects(&template).map_err(refused(FIND))
}

impl TokenMarks {
    /// Those beside a key that [`TokenLogin::create`] drew, to be read without the PIN.
    pub(crate) fn open(module: &Path, serial: &Serial, id: KeyId) -> Result<Self, KeeperError> {
        let context = load(module)?;
        let (slot, _) = TokenLogin::find(&context, |_, found| found == serial)?;
        let session = context.open_ro_session(slot);
        Ok(Self {
            session: session.map_err(refused("open a session"))?,
            id,
            hardware: is_hardware(&context, slot)?,
        })
    }
}

fn padded(serial: &str) -> Serial {
    let mut bytes = [b' '; 16];
    bytes
        .iter_mut()
        .zip(serial.bytes())
        .for_each(|(to, from)| *to = from);
    bytes
}

impl TokenKey {
    pub(crate) const fn id(&self) -> KeyId {
        self.marks.id
    }

    pub(super) const fn tally(&self) -> &TokenMarks {
        &self.marks
    }

    /// That the token keeps the key to itself.
    fn check(&self) -> Result<(), KeeperError> {
        let asked = "keep the key to itself";
        let wanted = [AttributeType::Sensitive, AttributeType::Extractable];
        let found = self
            .marks
            .session
            .get_attributes(self.key, &wanted)
            .map_err(refused(asked))?;
        let kept = found.contains(&Attribute::Sensitive(true))
            && found.contains(&Attribute::Extractable(false));
        if kept {
            Ok(())
        } else {
            Err(wrong(asked, "it says that the key can be read out"))
        }
    }

    pub(super) fn wrap(
        &self,
        mut nonce: [u8; 12],
        context: &[u8],
        secret: &[u8; 32],
    ) -> Result<[u8; SEALED], KeeperError> {
        let asked = "wrap a secret";
        let params = GcmParams::new(&mut nonce, context, 128.into()).map_err(refused(asked))?;
        let sealed = self
            .marks
            .session
            .encrypt(&Mechanism::AesGcm(params), self.key, secret)
            .map_err(refused(asked))?;
        let sealed = <[u8; SEALED]>::try_from(sealed);
        sealed.map_err(|_| wrong(asked, "its answer has another length than AES-GCM gives"))
    }

    pub(super) fn unwrap(
        &self,
        context: &[u8],
        wrapped: &Wrapped,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeeperError> {
        let asked = "unwrap a secret";
        let mut nonce = wrapped.nonce;
        let params = GcmParams::new(&mut nonce, context, 128.into()).map_err(refused(asked))?;
        match self
            .marks
            .session
            .decrypt(&Mechanism::AesGcm(params), self.key, &wrapped.sealed)
        {
            Ok(mut secret) => {
                let opened = <[u8; 32]>::try_from(secret.as_slice()).ok();
                secret.zeroize();
                Ok(opened.map(Zeroizing::new))
            }
            Err(Error::Pkcs11(
                RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange,
                _,
            )) => Ok(None),
            Err(error) => Err(refused(asked)(error)),
        }
    }
}

fn destroy(session: &Session, key: ObjectHandle) -> Result<(), KeeperError> {
    let destroyed = session.destroy_object(key);
    destroyed.map_err(refused("destroy the old key"))
}
