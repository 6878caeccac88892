//! What a node says without a proof: to look at, not to rely on.
//!
//! What always holds: everything here is named `unproven`, apart from what a node says of itself.

use super::{BYTES, Client, ClientError, JSON, MAX_FILE, TEXT};
use medanchor_ledger::event::Event;
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::rules::{self, Decision, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{Height, ParticipantName, RequestHandle, Size};
use serde::Deserialize;

impl Client {
    /// A value of the newest state, such as [`medanchor_ledger::rules::Prescription`], as this node
    /// says. [`Self::state`] proves it, a moment later.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unproven_state<V: StateValue>(&self, key: &StateKey) -> Result<Option<V>, ClientError> {
        let path = format!("/v1/state/{}", hex::encode(key.as_bytes()));
        read_value(&self.get(&path, JSON, MAX_FILE)?.body)
    }

    /// What was decided on a request for access, as this node says. [`Self::access_receipt`] proves it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unproven_decision(
        &self,
        requester: &ParticipantName,
        request: &RequestHandle,
    ) -> Result<Option<Decision>, ClientError> {
        let kept =
            self.unproven_state::<rules::Request>(&rules::Request::key(requester, request))?;
        Ok(kept.map(|request| request.decision))
    }

    /// What this node says of a block: to look at, not to rely on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unproven_block(&self, height: Height) -> Result<serde_json::Value, ClientError> {
        self.json(&format!("/v1/blocks/{height}"))
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status(&self) -> Result<serde_json::Value, ClientError> {
        self.json("/v1/status")
    }

    fn json(&self, path: &str) -> Result<serde_json::Value, ClientError> {
        let answer = self.get(path, JSON, MAX_FILE)?;
        serde_json::from_slice(&answer.body).map_err(|_| ClientError::Nonsense("it is not JSON"))
    }

    /// The policy file as this node serves it. Compare it with the one that you trust.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unproven_policy(&self) -> Result<Vec<u8>, ClientError> {
        Ok(self.get("/policy", TEXT, MAX_FILE)?.body)
    }

    /// The genesis file as this node serves it. Compare its hash with the one that you trust.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unproven_genesis(&self) -> Result<Vec<u8>, ClientError> {
        Ok(self.get("/genesis", BYTES, MAX_FILE)?.body)
    }

    /// The events of the entries from `first` up to a size of the log, in their order, as this node says.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unproven_events(
        &self,
        first: Size,
        end: Size,
        mut each: impl FnMut(&Event),
    ) -> Result<(), ClientError> {
        let mut next = first.0;
        while next < end.0 {
            let bundle = BundleId::at(next / 256, end);
            let bundle =
                bundle.ok_or(ClientError::Nonsense("its log ends before its checkpoint"))?;
            let answer = self.get(&format!("/{bundle}"), BYTES, MAX_FILE)?;
            let entries = read_entries(bundle, &answer.body);
            let entries =
                entries.map_err(|_| ClientError::Nonsense("it is no bundle of entries"))?;
            let known = usize::try_from(next % 256).unwrap_or_default();
            // Seals are entries too, and no events.
            let events = entries.iter().skip(known).map(|entry| Event::decode(entry));
            events.flatten().for_each(|event| each(&event));
            next = (next / 256).saturating_add(1).saturating_mul(256);
        }
        Ok(())
    }
}

/// What a node says of a key; it must say it, be it that there is nothing.
#[derive(Deserialize)]
struct Known {
    #[serde(deserialize_with = "Option::deserialize")]
    value: Option<String>,
}

/// The value in an answer, or that there is none.
pub(super) fn read_value<V: StateValue>(body: &[u8]) -> Result<Option<V>, ClientError> {
    let decode = |digits: String| V::decode(&hex::decode(digits).ok()?).ok();
    let nonsense = ClientError::Nonsense("it is not a value of that kind");
    match serde_json::from_slice(body) {
        Ok(Known { value: None }) => Ok(None),
        Ok(Known {
            value: Some(digits),
        }) => decode(digits).map(Some).ok_or(nonsense),
        Err(_) => Err(nonsense),
    }
}
