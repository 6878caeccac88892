//! What custody costs here, in CPU time of one thread. Not part of the tests: run it with
//! `cargo test --release -p medanchor-vault --test measure_custody -- --ignored --nocapture`
//! (Linux; elsewhere it prints nothing).

use medanchor_ledger::event::KemSuite;
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_ledger::{EventId, NetworkId, ParticipantName, RecordHandle, Time};
use medanchor_vault::custody::{
    Custodian, Custodied, Member, OpeningKey, Permitted, Place, Points, Release, Seat, ShareIndex,
    Signed, VaultRelease, Wanted, deal_out, gather,
};
use medanchor_vault::secret::{AnswerKey, CustodyPart, DataKey, InstitutionKey, VaultPart};
use medanchor_vault::{Committed, Document, RecordVersion, seal};

const ROUNDS: u32 = 100;
const NETWORK: NetworkId = NetworkId::new([1; 16]);
const OWNER: &str = "north-hospital";
const NAMES: [&str; 5] = ["c-amber", "c-birch", "c-cedar", "c-delta", "c-elm"];

fn name(text: &str) -> ParticipantName {
    text.parse().unwrap()
}

fn signer(text: &str) -> SigningKey {
    SigningKey::from_seed(&medanchor_ledger::sha256(&[text.as_bytes()]))
}

fn record(number: u32) -> Custodied {
    let mut handle = [7; 16];
    handle[..4].copy_from_slice(&number.to_be_bytes());
    Custodied {
        owner: name(OWNER),
        record: RecordVersion {
            network: NETWORK,
            record: RecordHandle::new(handle),
            version: 1,
        },
    }
}

/// Nanoseconds that this thread has run.
fn cpu() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn timed(what: &str, mut work: impl FnMut(u32)) {
    work(ROUNDS); // tables and caches
    let Some(start) = cpu() else { return };
    (0..ROUNDS).for_each(&mut work);
    let spent = cpu().unwrap_or(start) - start;
    let each = spent as f64 / 1e6 / f64::from(ROUNDS);
    println!("{what}: {each:.3} ms of CPU");
}

fn place(at: usize) -> Place {
    Place {
        custodian: name(NAMES[at]),
        epoch: 1,
        index: ShareIndex::all(5).nth(at).unwrap(),
    }
}

/// A record sealed and dealt.
struct Written {
    points: Points,
    deals: Vec<Signed<medanchor_vault::custody::Deal>>,
    wanted: Wanted,
    vault: VaultPart,
}

fn write(number: u32, payload: &[u8], members: &[Member], owner: &SigningKey) -> Written {
    let record = record(number);
    let (custody, vault) = (
        CustodyPart::shareable().unwrap(),
        VaultPart::generate().unwrap(),
    );
    let key = DataKey::derive(&custody, &vault, &record.record);
    let document = Document::parse(payload).unwrap();
    let commitment = Committed::new(&document, &key.record_secret()).commitment();
    let sealed = seal::seal(&record.record, &key, payload).unwrap();
    let signs = |bytes: &[u8]| owner.sign(bytes);
    let (points, deals) = deal_out(&record, 1, 3, members, &custody, signs).unwrap();
    // The event is signed once more; its bytes are about as long.
    std::hint::black_box(owner.sign(&commitment.to_bytes()));
    let wanted = Wanted {
        record,
        request: EventId::new([9; 32]),
        epoch: 1,
        points: points.clone(),
        custodians: NAMES
            .iter()
            .map(|text| (name(text), signer(text).public_key()))
            .collect(),
        owner: owner.public_key(),
        vault_part: vault.hash(),
        key_check: key.check_value(),
        ciphertext: seal::ciphertext_hash(&sealed),
        commitment,
    };
    Written {
        points,
        deals,
        wanted,
        vault,
    }
}

fn measure(suite: KemSuite) {
    let payload = format!("{{\"text\":\"{}\"}}", "x".repeat(4096 - 11));
    let owner = signer(OWNER);
    let keys: Vec<_> = NAMES
        .iter()
        .map(|_| OpeningKey::generate(suite).unwrap())
        .collect();
    let member = |(text, key): (&&str, &OpeningKey)| Member {
        name: name(text),
        key: key.public().clone(),
    };
    let members: Vec<_> = NAMES.iter().zip(&keys).map(member).collect();
    let written: Vec<_> = (0..=ROUNDS)
        .map(|number| write(number, payload.as_bytes(), &members, &owner))
        .collect();
    timed(
        "owner: commit to, seal, share out 3 of 5, seal and sign five deals",
        |number| {
            drop(write(number, payload.as_bytes(), &members, &owner));
        },
    );
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let key = InstitutionKey::new([4; 32]);
    let mut custodian = Custodian::create(folder.path(), &key, NETWORK).unwrap();
    let seat = Seat {
        place: place(0),
        threshold: 3,
    };
    let (dealer, signs) = (owner.public_key(), signer(NAMES[0]));
    let mut acknowledgements = Vec::new();
    timed(
        "custodian: check, keep (durable) and acknowledge a deal",
        |number| {
            let deal = &written[number as usize].deals[0];
            let sign = |bytes: &[u8]| signs.sign(bytes);
            let acknowledgement = custodian.accept(deal, &dealer, &seat, &keys[0], sign);
            acknowledgements.push(acknowledgement.unwrap());
        },
    );
    let signed: PublicKey = signs.public_key();
    timed("owner: check five acknowledgements", |number| {
        for _ in NAMES {
            let acknowledgement = &acknowledgements[number as usize];
            assert!(acknowledgement.verify(&signed).is_ok());
        }
    });
    let reader = OpeningKey::generate(suite).unwrap();
    timed("custodian: release (durable)", |number| {
        let Written { points, wanted, .. } = &written[number as usize];
        let permitted = Permitted {
            request: EventId::new(medanchor_ledger::sha256(&[&number.to_be_bytes()])),
            record: wanted.record.clone(),
            place: place(0),
            points: points.clone(),
            reader: reader.public().reader_key(),
        };
        let sign = |bytes: &[u8]| signs.sign(bytes);
        let answer = custodian.release(&permitted, reader.public(), Time(1), sign);
        assert!(answer.is_ok());
    });
    read(&written[0], &keys, &reader);
}

fn read(written: &Written, keys: &[OpeningKey], reader: &OpeningKey) {
    let wanted = &written.wanted;
    let answer_key = AnswerKey::new([3; 32]);
    let answers: Vec<Signed<Release>> = (0..3)
        .map(|at| {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let key = InstitutionKey::new([4; 32]);
            let mut custodian = Custodian::create(folder.path(), &key, NETWORK).unwrap();
            let signs = signer(NAMES[at]);
            let seat = Seat {
                place: place(at),
                threshold: 3,
            };
            let sign = |bytes: &[u8]| signs.sign(bytes);
            let owner = signer(OWNER).public_key();
            custodian
                .accept(&written.deals[at], &owner, &seat, &keys[at], sign)
                .unwrap();
            let permitted = Permitted {
                request: wanted.request,
                record: wanted.record.clone(),
                place: place(at),
                points: written.points.clone(),
                reader: reader.public().reader_key(),
            };
            custodian
                .release(&permitted, reader.public(), Time(1), sign)
                .unwrap()
        })
        .collect();
    let owner = signer(OWNER);
    let vault = VaultRelease::new(
        wanted.record.clone(),
        wanted.request,
        (&written.vault, &answer_key),
        reader.public(),
        |bytes| owner.sign(bytes),
    )
    .unwrap();
    timed(
        "reader: check and open three shares and V, put the key together",
        |_| {
            assert!(gather(wanted, reader, &answers, &vault).is_ok());
        },
    );
}

#[test]
#[ignore = "it measures and asserts no time"]
fn custody_of_a_record_of_4_kib() {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{} ({cores} cores); {ROUNDS} records of 4 KiB, 3 of 5, signatures checked",
        model.unwrap_or("machine unknown")
    );
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        println!("{suite:?}:");
        measure(suite);
    }
}
