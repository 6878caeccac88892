//! Chains of consents against a naive model: what is permitted under a chain is permitted by its first
//! consent too.

use crate::access::{decided, request};
use crate::consent::{consent, grant, revoke};
use crate::world::*;
use medanchor_ledger::event::{AccessRequest, ConsentGrant};
use medanchor_ledger::rules::Decision;
use medanchor_ledger::{NetworkId, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A consent, the one that it continues, and the minutes from which and until which it holds.
    Grant(u8, Option<u8>, u64, u64),
    Revoke(u8),
    /// The patient's end, anchored by a pharmacy; signed with the key of another consent if false.
    End(u8, bool),
    Ask(u8),
    /// Minutes go by.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 1..4u8;
    let grant = (
        number.clone(),
        prop::option::of(number.clone()),
        0..4u64,
        1..8u64,
    );
    let step = prop_oneof![
        3 => grant.prop_map(|(one, root, from, length)| Step::Grant(one, root, from, from + length)),
        1 => number.clone().prop_map(Step::Revoke),
        1 => (number.clone(), any::<bool>()).prop_map(|(one, own)| Step::End(one, own)),
        3 => number.prop_map(Step::Ask),
        2 => (1..3u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..30)
}

#[derive(Clone, Copy)]
struct Granted {
    root: Option<u8>,
    from: u64,
    until: u64,
    revoked: bool,
}

/// What the rules should remember.
#[derive(Default)]
struct Model(BTreeMap<u8, Granted>);

impl Model {
    fn holds(&self, number: u8, now: u64) -> bool {
        let one = self.0.get(&number);
        one.is_some_and(|one| !one.revoked && one.from <= now && now < one.until)
    }

    /// Whether the consent and the first one of its chain both hold.
    fn permits(&self, number: u8, now: u64) -> bool {
        let root = self.0.get(&number).and_then(|one| one.root);
        self.holds(number, now) && root.is_none_or(|root| self.holds(root, now))
    }

    fn grant(&mut self, number: u8, granted: Granted, now: u64) -> bool {
        let first = granted.root.map(|root| self.0.get(&root));
        let fits = first.is_none_or(|first| {
            first.is_some_and(|first| {
                let within = first.from <= granted.from && granted.until <= first.until;
                first.root.is_none() && !first.revoked && within
            })
        });
        let applies = fits && granted.until > now && !self.0.contains_key(&number);
        if applies {
            self.0.insert(number, granted);
        }
        applies
    }

    fn revoke(&mut self, number: u8) -> bool {
        let stands = self.0.get_mut(&number).filter(|one| !one.revoked);
        stands.is_some_and(|one| {
            one.revoked = true;
            true
        })
    }
}

fn body(network: NetworkId, number: u8, root: Option<u8>, from: u64, until: u64) -> ConsentGrant {
    ConsentGrant {
        root: root.map(consent),
        not_before: Time(from),
        not_after: Time(until),
        // Every other consent is one that its patient can end.
        ender: is_endable(number).then(|| ender(network, number)),
        ..grant(number)
    }
}

fn is_endable(number: u8) -> bool {
    number % 2 == 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chain_permits_only_what_its_first_consent_permits(steps in steps()) {
        let mut world = World::new();
        world.apply(HOSPITAL, seal(1, 1));
        let mut model = Model::default();
        for (asked, step) in steps.into_iter().enumerate() {
            let now = world.now;
            match step {
                Step::Grant(number, root, from, until) => {
                    let (from, until) = (START + from * MINUTE, START + until * MINUTE);
                    let granted = Granted { root, from, until, revoked: false };
                    let applied = world.try_apply(HOSPITAL, body(world.network(), number, root, from, until));
                    prop_assert_eq!(applied.is_ok(), model.grant(number, granted, now), "{:?}", step);
                }
                Step::Revoke(number) => {
                    let applied = world.try_apply(HOSPITAL, revoke(number));
                    prop_assert_eq!(applied.is_ok(), model.revoke(number), "{:?}", step);
                }
                Step::End(number, own) => {
                    let key = ending(if own { number } else { number + 1 });
                    let applied = world.try_apply(OTHER_PHARMACY, end_by(world.network(), number, &key));
                    let allowed = own && is_endable(number) && model.revoke(number);
                    prop_assert_eq!(applied.is_ok(), allowed, "{:?}", step);
                }
                Step::Ask(number) => {
                    let body = AccessRequest { consent: consent(number), ..request(asked as u16) };
                    let permitted = decided(&mut world, PHARMACY, body) == Decision::Permitted;
                    prop_assert_eq!(permitted, model.permits(number, now), "{:?}", step);
                }
                Step::Wait(minutes) => world.now += minutes * MINUTE,
            }
        }
    }
}
