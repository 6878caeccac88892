//! Two chains of policies that both hold and part: the heaviest fork there is.
//!
//! What always holds: each chain is walked from the genesis file by itself; they part where a quorum of the
//! same validators signed two ends of their turn, with two successors. Who cosigned both ends is said by name.

use crate::fault::{Failure, Fault};
use crate::parties::Head;
use crate::trust::Trust;
use medanchor_ledger::policy::{Cosigner, PolicyChain};
use serde_json::{Value, json};

/// A successor that a chain names.
struct Named {
    /// The policy file's hash.
    policy: String,
    /// How many entries the log has where the turn before ends.
    size: u64,
    /// Who cosigned that end.
    cosigners: Vec<Cosigner>,
}

impl Named {
    /// The policy at a place of the chain.
    fn of(trust: &Trust, place: usize) -> Option<Self> {
        let link = trust.chain()?.links.get(place.checked_sub(1)?)?;
        let head = Head::of(&link.receipt.checkpoint, trust);
        Some(Self {
            policy: link.policy.hash().to_string(),
            size: head.checkpoint?.size.0,
            cosigners: head.cosigners,
        })
    }

    fn value(&self) -> Value {
        json!({ "policy": self.policy, "after": self.size })
    }
}

/// Judges a chain beside the one that was given with the genesis file, for scripts and for people.
pub(crate) fn judge(bytes: &[u8], trust: &Trust) -> Result<(Value, String), Failure> {
    let chain = PolicyChain::decode(bytes).map_err(Fault::from)?;
    let nothing = |why: &str| Failure::from(Fault::Evidence(why.to_owned()));
    let other = trust.walk(chain)?;
    let other = other.ok_or_else(|| {
        nothing("a chain of policies is judged by the genesis file, with --genesis, and beside another chain, with --policy-chain; give both")
    })?;
    let parts = trust.parts_from(&other);
    let named = parts.and_then(|place| {
        let named = (Named::of(trust, place)?, Named::of(&other, place)?);
        Some((place, named))
    });
    let Some((place, (one, other))) = named else {
        return Err(nothing(
            "the chain holds and does not part from the one of --policy-chain, so it proves nothing; give the one that it was kept with",
        ));
    };
    let signed = |cosigner: &&Cosigner| other.cosigners.iter().any(|two| two.key == cosigner.key);
    let both = one.cosigners.iter().filter(signed);
    let both: Vec<String> = both.map(|one| one.key.name().to_string()).collect();
    let value = json!({
        "verdict": "proved",
        "kind": "policy-fork",
        "origin": trust.origin().map(ToString::to_string),
        "place": place,
        "successors": [one.value(), other.value()],
        "signed_both": both,
    });
    let mut text = format!(
        "PROVED: the validators of policy {} named two successors.\n",
        place.saturating_sub(1)
    );
    for named in [&one, &other] {
        let Named { policy, size, .. } = named;
        text += &format!("  policy {place}          {policy}, after {size} entries\n");
    }
    for name in &both {
        text += &format!("  cosigned both     {name}\n");
    }
    text += "Both chains hold from the genesis file on: a quorum signed each end of that turn, and no honest validator signs two. Which of the two networks goes on no signature says.\n";
    Ok((value, text))
}
