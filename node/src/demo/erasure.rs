//! A record's end, by the calls that `medanchor vault erase` makes: destroyed at the hospital and at every
//! custodian, and said so on the ledger.

use super::books::Books;
use super::cast;
use super::city::{City, access, denial};
use super::custody::Kept;
use super::emergency;
use medanchor_ledger::event::{Destroyed, ErasureReason};
use medanchor_sdk::custody::NewErasure;
use serde::Serialize;

/// All that the ledger can say is destroyed of a record that an emergency key opened.
const ALL: u8 =
    Destroyed::VAULT_PART | Destroyed::SHARES | Destroyed::EMERGENCY_WRAP | Destroyed::PAYLOAD;

/// What became of the record.
#[derive(Serialize)]
pub struct Erasure {
    /// Whose record it was.
    pub owner: &'static str,
    /// The first event that says that it is erased.
    pub event: String,
    /// Custodians that signed that they destroyed their shares.
    pub confirmed: Vec<String>,
    /// Custodians that did not.
    pub missing: Vec<String>,
    /// Whether the ledger says that vault part, shares, emergency wrap and payload are destroyed.
    pub all_destroyed: bool,
    /// Whether the vault or the emergency key opens it still.
    pub opens_at_the_owner: bool,
    /// Who asked for it afterwards, under a consent that stands.
    pub reader: &'static str,
    /// What the ledger decided on that.
    pub denied: String,
    /// How many erasures the patient's list has.
    pub listed: usize,
}

impl Erasure {
    /// How the read was decided.
    pub fn decisions(&self) -> [&str; 1] {
        [&self.denied]
    }
}

/// Plays it all. The vault's fresh key, the last step of the command, takes the identity closed:
/// `World::renew_vault_key`.
pub fn play(city: &City<'_>, kept: &Kept<'_>, books: &mut Books) -> anyhow::Result<Erasure> {
    let owner = city.owner()?;
    let new = NewErasure {
        record: kept.record,
        reason: ErasureReason::SubjectRequest,
    };
    let erased = owner.erase(&new, &city.book, &city.certificate, &mut |_| {})?;
    for anchored in &erased.anchored {
        books.keep(anchored)?;
    }
    let asked = access("demo/read-after-erasure", &kept.ticket, kept.record);
    let denied = denial(city.read(cast::SECOND_HOSPITAL, &asked, books)?)?;
    let vault_opens = owner.vault().open_record(kept.record, 1).is_ok();
    let list = emergency::history(owner)?;
    let listed = list.erasures.iter().filter(|one| one.record == kept.record);
    Ok(Erasure {
        owner: cast::HOSPITAL,
        event: erased.event.to_string(),
        confirmed: names(erased.confirmed.iter().map(|(name, _)| name)),
        missing: names(erased.missing.iter().map(|(name, _)| name)),
        all_destroyed: erased.destroyed.contains(ALL),
        opens_at_the_owner: vault_opens || emergency::opens(city, kept)?,
        reader: cast::SECOND_HOSPITAL,
        denied: denied.as_str().to_owned(),
        listed: listed.count(),
    })
}

fn names<'a>(names: impl Iterator<Item = &'a medanchor_ledger::ParticipantName>) -> Vec<String> {
    names.map(ToString::to_string).collect()
}
