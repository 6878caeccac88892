//! Which participant stands for whom the input names.

use crate::fhir::{Recipient, Reference};
use crate::import::code::location_number;
use crate::import::item::{Institution, Location};
use crate::import::reason::Reason;
use crate::import::reference::Target;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::hash::sha256;
pub use medanchor_ledger::rules::Role;
use std::collections::BTreeMap;

/// A participant that can act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its name.
    pub name: ParticipantName,
    /// Its role.
    pub role: Role,
    /// Where it is, such as `CN` (ISO 3166-1).
    pub jurisdiction: String,
}

/// The participants among whom the acts are divided.
#[derive(Clone, Debug, Default)]
pub struct Roster(Vec<Member>);

impl Roster {
    /// A roster of these participants; their order does not matter.
    #[must_use]
    pub fn new(mut members: Vec<Member>) -> Self {
        members.sort();
        members.dedup_by(|one, other| one.name == other.name);
        Self(members)
    }
}

/// The roster, and by which identifiers of the input its members are found.
pub(super) struct Directory<'a> {
    members: &'a [Member],
    by_identifier: BTreeMap<String, &'a Member>,
}

impl<'a> Directory<'a> {
    pub(super) fn new(roster: &'a Roster, institutions: &[Institution]) -> Self {
        let mut directory = Self {
            members: &roster.0,
            by_identifier: BTreeMap::new(),
        };
        for institution in institutions {
            let id = institution.key.id.as_deref();
            let Some(member) = id.and_then(|id| directory.of_name(id)) else {
                continue;
            };
            let addresses = institution.key.full_url.iter();
            for identifier in institution.identifiers.iter().chain(addresses) {
                // The first institution to claim an identifier keeps it.
                directory
                    .by_identifier
                    .entry(identifier.clone())
                    .or_insert(member);
            }
        }
        directory
    }

    fn of_name(&self, name: &str) -> Option<&'a Member> {
        self.members
            .iter()
            .find(|member| member.name.as_str() == name)
    }

    /// The role of a member.
    pub(super) fn role(&self, name: &ParticipantName) -> Option<Role> {
        self.of_name(name.as_str()).map(|member| member.role)
    }

    /// Where a member is; nowhere if it is none.
    pub(super) fn jurisdiction(&self, name: &ParticipantName) -> &'a str {
        self.of_name(name.as_str())
            .map_or("", |member| &member.jurisdiction)
    }

    /// The member for whom a recipient of a consent stands, if the reference names one.
    pub(super) fn recipient(&self, who: &Reference) -> Option<Recipient> {
        let member = self.named(who.reference.as_deref()?)?;
        Some(Recipient {
            grantee: member.name.clone().into(),
            jurisdiction: member.jurisdiction.clone(),
        })
    }

    /// The participant that a reference, location number or identifier names.
    pub(super) fn named(&self, text: &str) -> Option<&'a Member> {
        if let Target::Resource {
            kind: "Organization",
            id,
            ..
        } = Target::of(text)
        {
            return self.of_name(id);
        }
        if let Some(member) = self.by_identifier.get(text) {
            return Some(member);
        }
        let number = location_number(text);
        let bare = text.rsplit_once('|').map(|(_, value)| value.to_owned());
        number
            .or(bare)
            .and_then(|key| self.by_identifier.get(&key).copied())
    }

    /// The participant whom `named` names, or else one drawn by it among those of a fitting role;
    /// if nobody is named, the file that `source` stands in draws.
    pub(super) fn acting(
        &self,
        named: Option<&str>,
        roles: &[Role],
        source: &Location,
    ) -> Result<ParticipantName, Reason> {
        let wanted = roles.first().map_or("participant", |role| role.as_str());
        match named.and_then(|text| self.named(text)) {
            Some(member) if roles.contains(&member.role) => Ok(member.name.clone()),
            Some(_) => Err(Reason::WrongRole(wanted)),
            None => {
                let key = named.unwrap_or(&source.file);
                self.drawn(key, roles, None)
                    .ok_or(Reason::NoParticipant(wanted))
            }
        }
    }

    /// The member that `key` draws among those of the `roles`, `except` one.
    pub(super) fn drawn(
        &self,
        key: &str,
        roles: &[Role],
        except: Option<&ParticipantName>,
    ) -> Option<ParticipantName> {
        let fits = |member: &&Member| roles.contains(&member.role) && except != Some(&member.name);
        let fitting: Vec<&Member> = self.members.iter().filter(fits).collect();
        let [a, b, c, d, ..] = sha256(&[b"medanchor/actor/v1", key.as_bytes()]);
        let count = u32::try_from(fitting.len())
            .ok()
            .filter(|&count| count > 0)?;
        let at = usize::try_from(u32::from_be_bytes([a, b, c, d]) % count).ok()?;
        fitting.get(at).map(|member| member.name.clone())
    }
}
