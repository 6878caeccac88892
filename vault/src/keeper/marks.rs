//! Marks of a count in a PKCS#11 token: data objects that can be neither changed nor destroyed.
//!
//! What always holds: a mark is public in the token's sense, so that it can be read without the PIN,
//! by whoever is to see that nothing was cut off; what it says proves itself. It bears the id of the key that
//! is kept beside it, so two counts in one token are two.
//!
//! Only who initialises the token anew takes its marks away, and with them every key that is in it.

use super::tally::{MAX_MARK, MAX_MARKS, Marks, Tally};
use super::token::{refused, wrong};
use super::{KeeperError, KeyId};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

const APPLICATION: &[u8] = b"medanchor";

/// A session in which the marks beside a key are read, and set if the token's user is logged in.
pub(crate) struct TokenMarks {
    pub(super) session: Session,
    pub(super) id: KeyId,
    pub(super) hardware: bool,
}

impl TokenMarks {
    fn label(&self) -> Vec<u8> {
        format!(
            "medanchor emergency journal {}",
            hex::encode(self.id.as_bytes())
        )
        .into_bytes()
    }

    fn create(&self, mark: &[u8]) -> Result<ObjectHandle, KeeperError> {
        let template = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Modifiable(false),
            Attribute::Copyable(false),
            Attribute::Destroyable(false),
            Attribute::Application(APPLICATION.to_vec()),
            Attribute::Label(self.label()),
            Attribute::Value(mark.to_vec()),
        ];
        let created = self.session.create_object(&template);
        created.map_err(refused("set a mark"))
    }

    fn value(&self, object: ObjectHandle) -> Result<Vec<u8>, KeeperError> {
        let found = self
            .session
            .get_attributes(object, &[AttributeType::Value])
            .map_err(refused("read a mark"))?;
        match found.into_iter().next() {
            Some(Attribute::Value(value)) => Ok(value),
            _ => Err(wrong("read a mark", "it has no value")),
        }
    }

    /// Whether the token lets anybody change the object, or what may be done with it.
    fn changes(&self, object: ObjectHandle, mark: &[u8]) -> Result<bool, KeeperError> {
        let tries = [
            Attribute::Value(b"changed".to_vec()),
            Attribute::Label(b"changed".to_vec()),
            Attribute::Destroyable(true),
        ];
        let mut done = tries
            .into_iter()
            .map(|change| self.session.update_attributes(object, &[change]));
        Ok(done.any(|done| done.is_ok()) || self.value(object)? != mark)
    }
}

impl Tally for TokenMarks {
    fn marks(&self) -> Result<Vec<Vec<u8>>, KeeperError> {
        let asked = "list its marks";
        let template = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Label(self.label()),
        ];
        let found = self.session.find_objects(&template);
        let found = found.map_err(refused(asked))?;
        if found.len() > 2 * MAX_MARKS {
            return Err(wrong(asked, "there are more than any count has"));
        }
        let mut marks = Vec::with_capacity(found.len());
        for object in found {
            marks.push(self.value(object)?);
        }
        marks.retain(|mark| mark.len() <= MAX_MARK);
        Ok(marks)
    }

    fn set(&self, mark: &[u8]) -> Result<(), KeeperError> {
        self.create(mark).map(drop)
    }

    fn prove(&self, mark: &[u8]) -> Result<Marks, KeeperError> {
        let object = self.create(mark)?;
        let changed = self.changes(object, mark)?;
        let destroyed = self.session.destroy_object(object).is_ok();
        Ok(match (changed || destroyed, self.hardware) {
            (true, _) => Marks::Vanish,
            (false, true) => Marks::StayInHardware,
            (false, false) => Marks::StayInSoftware,
        })
    }
}
