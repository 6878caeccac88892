//! Evidence that a custodian released what the ledger did not permit before: its own anchored log, and the
//! ledger's decision. The ledger of `policy-of-logs` has one log of releases, whose custodian cheats in all
//! ways that its signature proves, and is honest in others.

use super::logs::{DENIED, Logs, ODD_CLOCK, OTHER_RECORD, PERMITTED, TOO_EARLY, leaves, logs};
use super::*;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::{Leaves, inclusion_proof};
use medanchor_ledger::note::Note;
use medanchor_ledger::rules::Request;
use medanchor_vault::custody::LoggedRelease;

const POLICY: &str = "policy-of-logs";
impl Logs {
    fn receipt(&self, index: u64) -> Receipt {
        Receipt::parse(self.built.receipt(index).as_bytes()).expect("a receipt")
    }

    fn path(&self, place: usize) -> Vec<TreeHash> {
        let leaves = leaves(&self.log);
        let size = Size(leaves.len() as u64);
        inclusion_proof(&Leaves(&leaves), Index(place as u64), size).expect("a proof")
    }

    fn fact(&self, place: usize) -> Fact {
        let request = &self.requests[place];
        let key = match request.body() {
            EventBody::AccessRequest(body) => Request::key(&name(HOSPITAL), &body.request),
            EventBody::AccessBreakGlass(body) => BreakGlass::key(&name(HOSPITAL), &body.request),
            _ => panic!("no request"),
        };
        let last = self.built.executed.last().expect("a block").seal.clone();
        let receipt = self.receipt(last.first.0 + last.count);
        Fact {
            document: StateDocument {
                claim: StateClaim::of(self.built.memory().map(), &key).expect("a proof"),
                key,
                seal: SealProof {
                    seal: last,
                    receipt,
                },
            },
            event: Some(request.clone()),
        }
    }

    /// The release at a place of the log, as it is shown by an honest accuser.
    fn logged(&self, place: usize) -> LoggedRelease {
        self.shown(&self.anchoring, self.at, place, self.path(place))
    }

    fn shown(&self, by: &Event, at: u64, place: usize, path: Vec<TreeHash>) -> LoggedRelease {
        let release = (Index(place as u64), self.log[place].clone());
        LoggedRelease::new(by.clone(), self.receipt(at), release, path).expect("an anchoring")
    }

    fn file(logged: LoggedRelease, fact: Fact) -> Vec<u8> {
        let evidence = Evidence::Logged(Box::new(logged));
        EvidenceFile::new(evidence, vec![fact]).encode().to_vec()
    }

    fn of(&self, place: usize) -> Vec<u8> {
        Self::file(self.logged(place), self.fact(place))
    }

    fn good(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        BTreeMap::from([
            (
                "good-logged-denied",
                (
                    self.of(DENIED),
                    "PROVED: river-distribution released its share for a request that was denied.",
                ),
            ),
            (
                "good-logged-other-record",
                (
                    self.of(OTHER_RECORD),
                    "PROVED: river-distribution released its share of another record than the one that",
                ),
            ),
            (
                "good-logged-early",
                (
                    self.of(TOO_EARLY),
                    "PROVED: river-distribution released its share before the request was on the ledger.",
                ),
            ),
        ])
    }

    fn innocent(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let of = |logged| Self::file(logged, self.fact(DENIED));
        // The same words, signed by somebody else, or never brought onto the ledger.
        let body = self.anchoring.body().clone();
        let unsigned = UnsignedEvent {
            issuer: name(CUSTODIAN),
            network: self.built.genesis.network_id(),
            nonce: Nonce::new([9; 16]),
            not_after: self.anchoring.not_after(),
            body,
        };
        let by = |number| {
            let event = unsigned.clone().sign(&key(number, PARTICIPANT));
            self.shown(
                &event.expect("an event"),
                self.at,
                DENIED,
                self.path(DENIED),
            )
        };
        let seal = self.at + 1;
        let elsewhere = self.shown(&self.anchoring, seal, DENIED, self.path(DENIED));
        let moved = self.shown(&self.anchoring, self.at, DENIED, self.path(PERMITTED));
        let left_out = Self::file(self.logged(DENIED), self.fact(PERMITTED));
        BTreeMap::from([
            (
                "innocent-logged-permitted",
                (self.of(PERMITTED), "nobody is convicted"),
            ),
            (
                "innocent-logged-odd-clock",
                (self.of(ODD_CLOCK), "nobody is convicted"),
            ),
            (
                "innocent-logged-another-path",
                (of(moved), "is not in the log whose root was anchored"),
            ),
            (
                "innocent-logged-another-entry",
                (of(elsewhere), "the proof leads to another root"),
            ),
            (
                "innocent-logged-forged-anchoring",
                (of(by(STRANGER)), "the proof leads to another root"),
            ),
            (
                "innocent-logged-never-anchored",
                (of(by(CUSTODIAN)), "the proof leads to another root"),
            ),
            (
                "innocent-logged-request-left-out",
                (left_out, "the ledger has no such"),
            ),
        ])
    }

    /// The good file by hand: the evidence's five items, the path's hashes as they are given.
    fn made(&self, event: &[u8], receipt: &[u8], entry: &[u8], path: &[&[u8]]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(6).uint(9).bytes(event).bytes(receipt);
        writer.uint(DENIED as u64).bytes(entry).array(path.len());
        for hash in path {
            writer.bytes(hash);
        }
        self.around(&writer.into_bytes())
    }

    fn around(&self, evidence: &[u8]) -> Vec<u8> {
        let fact = self.fact(DENIED);
        let event = fact.event.as_ref().expect("the request");
        let mut writer = Writer::new();
        writer.map(3);
        writer.key(0).text("medanchor/custody-evidence/v1");
        writer.key(1).bytes(evidence);
        writer.key(2).array(1).array(2);
        writer.bytes(&fact.document.encode()).bytes(event.encoded());
        writer.into_bytes()
    }

    fn rejected(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let good = self.of(DENIED);
        let (event, receipt) = (self.anchoring.encoded(), self.built.receipt(self.at));
        let (entry, path) = (self.log[DENIED].encode(), self.path(DENIED));
        let path: Vec<&[u8]> = path.iter().map(|hash| hash.as_bytes().as_slice()).collect();
        let made = |event: &[u8], receipt: &str, entry: &[u8], path: &[&[u8]]| {
            self.made(event, receipt.as_bytes(), entry, path)
        };
        assert_eq!(made(event, &receipt, &entry, &path), good, "by hand");
        let extra = receipt.replacen("\nindex ", "\nextra AQ==\nindex ", 1);
        let mut version_0 = self.log[DENIED].clone();
        version_0.record.record.version = 0;
        let evidence = Evidence::Logged(Box::new(self.logged(DENIED))).encode();
        let mut five = evidence.to_vec();
        five[0] = 0x85;
        let other = self.requests[DENIED].encoded();
        let short: Vec<&[u8]> = path.iter().map(|hash| &hash[1..]).collect();
        let value = "not the constant";
        BTreeMap::from([
            (
                "rejected-logged-other-event",
                (made(other, &receipt, &entry, &path), value),
            ),
            (
                "rejected-logged-event-truncated",
                (
                    made(&event[..event.len() - 1], &receipt, &entry, &path),
                    value,
                ),
            ),
            (
                "rejected-logged-receipt-truncated",
                (made(event, &receipt[..40], &entry, &path), value),
            ),
            (
                "rejected-logged-receipt-with-extra",
                (made(event, &extra, &entry, &path), value),
            ),
            (
                "rejected-logged-entry-of-version-0",
                (
                    made(event, &receipt, &version_0.encode(), &path),
                    "out of range",
                ),
            ),
            (
                "rejected-logged-entry-trailing",
                (
                    made(event, &receipt, &[&entry[..], &[0]].concat(), &path),
                    "bytes follow",
                ),
            ),
            (
                "rejected-logged-65-hashes",
                (
                    made(event, &receipt, &entry, &[[7; 32].as_slice(); 65]),
                    "out of bounds",
                ),
            ),
            (
                "rejected-logged-short-hashes",
                (made(event, &receipt, &entry, &short), "out of bounds"),
            ),
            ("rejected-logged-five-items", (self.around(&five), value)),
            (
                "rejected-logged-truncated",
                (self.around(&evidence[..evidence.len() - 1]), "cut short"),
            ),
            (
                "rejected-logged-trailing",
                (self.around(&[&evidence[..], &[0]].concat()), "bytes follow"),
            ),
        ])
    }
}

#[test]
fn frozen_logs_convict_of_what_the_order_of_the_ledger_shows_and_of_nothing_else() {
    let logs = logs();
    for (name, (bytes, words)) in logs.good() {
        let text = frozen(POLICY, name, &bytes, (0, words));
        let anchored = format!("anchored as entry {} of the ledger under its key", logs.at);
        assert!(text.contains(&anchored), "{name}: {text}");
        assert!(text.contains("no clock counts"), "{name}: {text}");
    }
    for (name, (bytes, words)) in logs.innocent() {
        frozen(POLICY, name, &bytes, (1, words));
        assert!(EvidenceFile::decode(&bytes).is_ok(), "{name}");
    }
    for (name, (bytes, words)) in logs.rejected() {
        frozen(POLICY, name, &bytes, (1, words));
        assert!(EvidenceFile::decode(&bytes).is_err(), "{name}");
    }
}

#[test]
fn json_has_what_was_logged_where_it_was_anchored_and_how_the_request_was_decided() {
    let (logs, folder) = (logs(), vectors("custody-evidence"));
    let (file, policy) = (
        folder.join("good-logged-denied.evidence"),
        folder.join(POLICY),
    );
    let [file, policy] = [&file, &policy].map(|path| path.to_str().expect("text"));
    let (code, text) = ends(&["evidence", file, "--policy", policy, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &value["breach"]), (0, &"released-denied".into()));
    assert_eq!(value["who"], "river-distribution");
    assert_eq!(value["request"], logs.requests[DENIED].id().to_string());
    let logged = &value["logged"];
    assert_eq!(
        (&logged["place"], &logged["anchored"], &logged["permitted"]),
        (&0.into(), &logs.at.into(), &false.into())
    );
    assert_eq!(logged["key"], logs.anchoring.key_id().to_string());
    assert_eq!(logged["time"], logs.log[DENIED].time.0);
}

#[test]
fn another_networks_policy_believes_no_log() {
    let folder = vectors("custody-evidence");
    let file = folder.join("good-logged-denied.evidence");
    let (code, text) = judged(&file, &folder.join("policy"));
    assert!(code == 1 && !text.contains("PROVED"), "{text}");
}

/// A checkpoint of the same root that others signed than whom genesis names, as if they had followed them.
fn by_others(note: &Note) -> Note {
    let head: Checkpoint = note.text().parse().expect("a checkpoint");
    let cosigned = (0..3).map(|number| {
        let signed = head.cosign(&name(number), &key(30 + number, 3), Time(1_700_000_100_000));
        signed.expect("a cosignature")
    });
    let signatures = std::iter::once(head.sign(&key(30, 2))).chain(cosigned);
    Note::new(note.text(), signatures.collect()).expect("a note")
}

#[test]
fn where_the_chain_of_policies_is_not_given_there_is_no_verdict() {
    let (logs, folder) = (logs(), tempfile::tempdir().expect("a folder"));
    let mut receipt = logs.receipt(logs.at);
    receipt.checkpoint = by_others(&receipt.checkpoint);
    let release = (Index(DENIED as u64), logs.log[DENIED].clone());
    let path = logs.path(DENIED);
    let logged = LoggedRelease::new(logs.anchoring.clone(), receipt, release, path);
    let anchored = Logs::file(logged.expect("an anchoring"), logs.fact(DENIED));
    let mut fact = logs.fact(DENIED);
    let checkpoint = &mut fact.document.seal.receipt.checkpoint;
    *checkpoint = by_others(checkpoint);
    let decided = Logs::file(logs.logged(DENIED), fact);
    let genesis = folder.path().join("genesis");
    std::fs::write(&genesis, logs.built.genesis.encoded()).expect("a file");
    let genesis = genesis.to_str().expect("text");
    for bytes in [anchored, decided] {
        let file = folder.path().join("file");
        std::fs::write(&file, bytes).expect("a file");
        let (code, text) = judged(&file, &vectors("custody-evidence").join(POLICY));
        assert!(code == 1 && text.contains("no log key"), "{text}");
        let file = file.to_str().expect("text");
        let (code, text) = ends(&["evidence", file, "--genesis", genesis]);
        let says = text.starts_with("There is no verdict: ") && text.contains("--policy-chain");
        assert!(code == 3 && says, "{code}: {text}");
    }
}

#[test]
fn no_flipped_bit_of_a_log_convicts_anybody_else() {
    let logs = logs();
    for (what, (bytes, _)) in logs.good() {
        flipped(what, &bytes, logs.built.genesis.policy());
    }
}

#[test]
#[ignore = "it writes the files"]
fn write_logs() {
    let (logs, folder) = (logs(), vectors("custody-evidence"));
    let policy = logs.built.genesis.policy();
    std::fs::write(folder.join(POLICY), policy.as_bytes()).expect("a file");
    let all = logs.good().into_iter().chain(logs.innocent());
    for (name, (bytes, _)) in all.chain(logs.rejected()) {
        std::fs::write(folder.join(format!("{name}.evidence")), bytes).expect("a file");
    }
}
