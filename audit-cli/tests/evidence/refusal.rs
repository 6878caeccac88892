//! Evidence that an owner refused its part of the key for a permitted request: who, when and why by its own
//! words, and that the ledger permitted it.

use super::*;
use medanchor_vault::custody::Refusal;

impl World {
    fn decided(&self) -> Time {
        let last = self.built.executed.last().expect("a block");
        last.seal.time
    }

    fn refusal(&self, code: &str) -> Refusal {
        Refusal {
            record: self.record(),
            request: self.request.id(),
            reader: reader().public().reader_key(),
            code: code.parse().expect("a code"),
            time: self.decided(),
        }
    }

    fn refused(&self, says: Refusal, sign: impl Fn(&[u8]) -> Signature) -> Vec<u8> {
        let evidence = Evidence::Refusal(Signed::new(says, sign));
        EvidenceFile::new(evidence, self.of_part())
            .encode()
            .to_vec()
    }

    fn said(&self, code: &str) -> Vec<u8> {
        self.refused(self.refusal(code), signs(HOSPITAL))
    }

    fn good_refusals(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        BTreeMap::from([
            (
                "good-refusal",
                (
                    self.said("custody.not-here"),
                    "PROVED: north-hospital refused its part of the key for a request that was permitted.",
                ),
            ),
            (
                "good-refusal-contradicted",
                (
                    self.said("custody.consent-ended"),
                    "for a reason that the ledger contradicts",
                ),
            ),
        ])
    }

    fn innocent_refusals(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let code = "custody.not-here";
        let late = Refusal {
            time: self.decided().plus_millis(5 * 60 * 1000 + 1),
            ..self.refusal(code)
        };
        let other_key = OpeningKey::decode(KemSuite::X25519, &[0x78; 32]).expect("a key");
        let other_key = Refusal {
            reader: other_key.public().reader_key(),
            ..self.refusal("custody.other-key")
        };
        let later = Refusal {
            time: self.decided().plus_millis(1),
            ..self.refusal(code)
        };
        let facts = |facts| {
            let evidence = Evidence::Refusal(Signed::new(self.refusal(code), signs(HOSPITAL)));
            EvidenceFile::new(evidence, facts).encode().to_vec()
        };
        let (keys, request, sealed) = (
            self.participant(HOSPITAL),
            self.requested(&self.request),
            self.sealed(),
        );
        BTreeMap::from([
            (
                "innocent-refusal-stale-proof",
                (self.said("custody.stale-proof"), "is one by the rules"),
            ),
            (
                "innocent-refusal-other-key",
                (
                    self.refused(other_key, signs(HOSPITAL)),
                    "is one by the rules",
                ),
            ),
            (
                "innocent-refusal-permit-over",
                (self.refused(late, signs(HOSPITAL)), "the permit was over"),
            ),
            (
                "innocent-refusal-state-of-before",
                (
                    self.refused(later, signs(HOSPITAL)),
                    "says nothing of that time",
                ),
            ),
            (
                "innocent-refusal-perhaps-superseded",
                (
                    self.said("custody.record-superseded"),
                    "says nothing of that time",
                ),
            ),
            (
                "innocent-refusal-forged",
                (
                    self.refused(self.refusal(code), signs(STRANGER)),
                    "did not sign",
                ),
            ),
            (
                "innocent-refusal-keys-left-out",
                (facts(vec![request.clone(), sealed.clone()]), "did not sign"),
            ),
            (
                "innocent-refusal-request-left-out",
                (facts(vec![keys.clone(), sealed]), "the ledger has no such"),
            ),
            (
                "innocent-refusal-record-left-out",
                (facts(vec![keys, request]), "the ledger has no such"),
            ),
        ])
    }
}

#[test]
fn frozen_refusals_convict_whom_they_convict_and_say_no_more_than_is_shown() {
    let world = world();
    for (name, (bytes, words)) in world.good_refusals() {
        let text = frozen("policy", name, &bytes, (0, words));
        let (at, ends) = (world.decided(), world.decided().plus_millis(300_000));
        let permitted = format!("at {at} ms since 1970, until {ends}, says the ledger");
        assert!(text.contains(&permitted), "{name}: {text}");
        assert!(text.contains("says whoever refused"), "{name}: {text}");
        assert!(text.contains("Nothing is shown of why"), "{name}: {text}");
    }
    for (name, (bytes, words)) in world.innocent_refusals() {
        frozen("policy", name, &bytes, (1, words));
        assert!(EvidenceFile::decode(&bytes).is_ok(), "{name}");
    }
}

#[test]
fn json_has_the_refusals_own_words_and_the_permit() {
    let folder = vectors("custody-evidence");
    let (file, policy) = (folder.join("good-refusal.evidence"), folder.join("policy"));
    let [file, policy] = [&file, &policy].map(|path| path.to_str().expect("text"));
    let (code, text) = ends(&["evidence", file, "--policy", policy, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &value["breach"]), (0, &"refused".into()));
    let decided = world().decided().0;
    assert_eq!(value["refusal"]["code"], "custody.not-here");
    assert_eq!(value["refusal"]["time"], decided);
    assert_eq!(value["refusal"]["permitted"], decided);
    assert_eq!(value["refusal"]["permit_ends"], decided + 300_000);
}

#[test]
#[ignore = "it writes the files"]
fn write_refusals() {
    let (world, folder) = (world(), vectors("custody-evidence"));
    let all = world.good_refusals().into_iter();
    for (name, (bytes, _)) in all.chain(world.innocent_refusals()) {
        std::fs::write(folder.join(format!("{name}.evidence")), bytes).expect("a file");
    }
}
