//! Owners that cheat with what they anchor, or refuse what they owe: the reader is told what is wrong and
//! gets no document, and the file that it makes of it convicts the owner before the auditor's program,
//! offline.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::event::{EventBody, RecordCustody, RecordSeal};
use medanchor_ledger::{Commitment, KeyCheck, TreeHash};
use medanchor_sdk::custody::{AccessKind, AccuseError, OpenedError, ReleaseAsk};
use medanchor_sdk::direct::{Ask, Counterpart, Link, LinkError, MAX_ANSWER};
use medanchor_sdk::{GrantTicket, NewAccess, NewFile, Sdk};
use medanchor_tests::city::{City, OWNER, PAYLOAD, READER, record};
use medanchor_tests::evidence::{failed, judged};
use medanchor_tests::files::names;
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::service::Service;
use medanchor_vault::custody::{
    Custodied, Member, NotConvicted, RecordShown, Refusal, Signed, Unconvincing, deal_out,
};
use medanchor_vault::seal::ciphertext_hash;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// What an owner anchors wrongly, of what stands on its disk.
type Lie = fn(&City, &Sdk, &mut RecordSeal) -> Result<()>;

fn key_check(_: &City, _: &Sdk, seal: &mut RecordSeal) -> Result<()> {
    seal.key_check = KeyCheck::new([7; 16]);
    Ok(())
}

fn commitment(_: &City, _: &Sdk, seal: &mut RecordSeal) -> Result<()> {
    seal.commitment = Commitment::new(TreeHash::new([7; 32]));
    Ok(())
}

/// It serves what it anchored, and that does not open.
fn payload(city: &City, sdk: &Sdk, seal: &mut RecordSeal) -> Result<()> {
    let mut sealed = Vec::new();
    let mut stored = sdk.vault().sealed_payload(seal.record, 1)?;
    stored.read_to_end(&mut sealed)?;
    let home = city.dir.join(OWNER).join("identity");
    let place = names(&home)?.into_iter().map(|name| home.join(name));
    let place = place.into_iter().find(|path| {
        let bytes = std::fs::read(path);
        bytes.is_ok_and(|bytes| bytes == sealed)
    });
    *sealed.last_mut().context("a tag")? ^= 1;
    std::fs::write(place.context("the payload's file")?, &sealed)?;
    seal.ciphertext = ciphertext_hash(&sealed);
    Ok(())
}

/// Seals a record as the SDK does, but anchors something that is not so.
fn seal_wrongly(city: &City, name: &str, lie: Lie) -> Result<GrantTicket> {
    let sdk = city.sdk(OWNER)?;
    let circle = sdk.custodians(&city.book)?;
    let honest = sdk.seal_record(&record(name))?;
    let EventBody::RecordSeal(mut seal) = honest.event.body().clone() else {
        bail!("a record is sealed by record.seal");
    };
    let (sealed, part) = sdk.vault().seal_to_share(honest.record, 1, PAYLOAD)?;
    lie(city, &sdk, &mut seal)?;
    let record = Custodied {
        owner: sdk.participant().clone(),
        record: sealed.record,
    };
    let entries = circle
        .names()
        .map(|name| city.book.get(name).context("in the book"));
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let member = |entry: &&Counterpart| {
        let key = entry.share_key.clone().context("a custodian")?;
        let name = entry.name.clone();
        anyhow::Ok(Member { name, key })
    };
    let members = entries.iter().map(member).collect::<Result<Vec<_>>>()?;
    let sign = |bytes: &[u8]| sdk.sign_for_custody(bytes);
    let (points, deals) = deal_out(&record, 1, 3, &members, &part, sign)?;
    for (deal, entry) in deals.iter().zip(entries) {
        let link = Link::new(&city.certificate, entry, None, sdk.client().config())?;
        let own = &city.certificate;
        let statement = sdk.state_to(&entry.name, own, Ask::Deal, deal.encode())?;
        link.ask(Ask::Deal, &statement, MAX_ANSWER)?;
    }
    let custody = points.custody(1)?;
    sdk.anchor(sdk.sign(RecordCustody { seal, custody })?)?;
    city.grant(&sdk, "consent", name, sdk.now().plus_millis(3_600_000))
}

/// What the error of a read says, and what it keeps for evidence.
fn shown(error: OpenedError) -> Result<(String, Option<Arc<RecordShown>>)> {
    let said = error.to_string();
    match error {
        OpenedError::Read { shown, wrong, .. } => {
            ensure!(wrong.is_empty(), "everybody answered rightly: {wrong:?}");
            Ok((said, shown))
        }
        _ => bail!("another error: {said}"),
    }
}

#[test]
fn an_owner_that_anchors_what_is_not_so_is_convicted_by_what_opens_the_record() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let lies: [(&str, Lie, &str, &str); 3] = [
        (
            "Observation/1",
            key_check,
            "the key they give is not",
            "anchored a check value that is not that of the record's key",
        ),
        (
            "Observation/2",
            payload,
            "was altered, cut, or sealed under another key",
            "anchored a sealed payload that does not open with the record's key",
        ),
        (
            "Observation/3",
            commitment,
            "is not the one that north-hospital committed to",
            "anchored a commitment to another document than it sealed",
        ),
    ];
    let sealed = lies.map(|(name, lie, ..)| seal_wrongly(&city, name, lie));
    let honest = city.seal_and_grant("Observation/4")?;
    let reader = city.sdk(READER)?;
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    for (ticket, (name, _, says, breach)) in sealed.into_iter().zip(lies) {
        let (said, shown) = shown(failed(city.read(&reader, &ticket?, name))?)?;
        ensure!(said.contains(says), "{name}: {said}");
        let shown = shown.context("what opens the record")?;
        ensure!(!format!("{shown:?}").contains("whole"), "it shows nothing");
        let path = dir.path().join("found.evidence");
        reader.accuse_by_showing_the_record(&shown, &path)?;
        let mode = std::fs::metadata(&path)?.permissions().mode();
        ensure!(mode & 0o777 == 0o600, "{mode:o}");
        let verdict = judged(&city, &path)?;
        let convicts = format!("PROVED: north-hospital {breach}.");
        ensure!(verdict.starts_with(&convicts), "{name}: {verdict}");
        ensure!(verdict.contains("this file opens the record"), "{verdict}");
        ensure!(!verdict.contains("secret"), "of the document: {verdict}");
        // What stands under the name is left as it is.
        let again = reader.accuse_by_showing_the_record(&shown, &path);
        ensure!(matches!(again, Err(AccuseError::NotWritten { .. })));
        std::fs::remove_file(&path)?;
    }
    let opened = city.read(&reader, &honest, "honest")?;
    ensure!(
        *opened.payload == PAYLOAD,
        "its other record is as it should be"
    );
    Ok(())
}

#[test]
fn an_owner_that_refuses_a_permitted_request_is_convicted_by_its_signed_refusal() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let (home, reader) = (dir.path().join(OWNER), city.sdk(READER)?);
    let cheat = Service::cheat(&home, "vault-service", "refuses")?;
    let error = failed(city.read(&reader, &ticket, "refused"))?;
    let said = error.to_string();
    ensure!(said.contains("north-hospital refused"), "{said}");
    let OpenedError::Refused { refusal, .. } = error else {
        bail!("another error: {said}");
    };
    // A block after the refusal, of which the ledger's state speaks.
    failed(city.read(&reader, &ticket, "refused again"))?;
    let path = dir.path().join("refused.evidence");
    wait_for("the refusal is evidence", PATIENCE, || {
        match reader.accuse_of_refusal(&refusal) {
            Ok(file) => std::fs::write(&path, file.encode())?,
            Err(AccuseError::NotConvicted(NotConvicted::Evidence(Unconvincing::TooEarly {
                ..
            }))) => return Ok(false),
            Err(error) => bail!("another error: {error}"),
        }
        Ok(true)
    })?;
    let verdict = judged(&city, &path)?;
    ensure!(
        verdict.starts_with(
            "PROVED: north-hospital refused its part of the key for a request that was permitted."
        ),
        "{verdict}"
    );
    ensure!(
        verdict.contains("for custody.not-here, says whoever refused"),
        "{verdict}"
    );
    ensure!(!verdict.contains("opens the record"), "{verdict}");
    drop(cheat);

    // An honest owner signs its refusals, too: of a key that the request does not name, say.
    let _vault = Service::vault(&home)?;
    let entry = city.book.get(&OWNER.parse()?).context("in the book")?;
    let link = Link::new(&city.certificate, entry, None, reader.client().config())?;
    let ask = ReleaseAsk {
        kind: AccessKind::Request,
        request: reader.request_handle("refused"),
        reader: reader.reader_key("another name")?.public().clone(),
    };
    let own = &city.certificate;
    let statement = reader.state_to(&entry.name, own, Ask::VaultRelease, ask.encode())?;
    let Err(LinkError::Refused { problem, .. }) =
        link.ask(Ask::VaultRelease, &statement, MAX_ANSWER)
    else {
        bail!("it was given");
    };
    ensure!(problem.code == "custody.other-key", "{problem}");
    let signed = problem.refusal.context("a signed refusal")?;
    let honest = reader.accuse_of_refusal(&Signed::<Refusal>::decode(&signed)?);
    ensure!(
        matches!(
            honest,
            Err(AccuseError::NotConvicted(NotConvicted::Evidence(
                Unconvincing::GoodReason
            )))
        ),
        "{honest:?}"
    );
    let opened = city.read(&reader, &ticket, "refused")?;
    ensure!(*opened.payload == PAYLOAD, "the same request goes on");
    Ok(())
}

/// Half of the payload, and one with a bit turned: it was written as it came, and nothing is left of it.
#[test]
fn an_owner_that_gives_another_payload_than_it_anchored_leaves_no_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let owner = city.sdk(OWNER)?;
    let circle = owner.custodians(&city.book)?;
    let (study, own) = (vec![7; 1 << 20], &city.certificate);
    let sealed =
        owner.seal_stream_in_custody(&record("Study/1").label(), &study[..], &circle, own)?;
    let until = owner.now().plus_millis(3_600_000);
    let ticket = city.grant(&owner, "consent", "Study/1", until)?;
    drop(owner);
    let reader = city.sdk(READER)?;
    let out = dir.path().join("out");
    std::fs::create_dir(&out)?;
    let read = || {
        let access = NewAccess {
            name: "the study",
            ticket: &ticket,
            record: sealed.record,
            purpose: "TREAT",
            actor: "Dr. Li",
            reason: "a consultation",
        };
        let file = NewFile::begin(&out.join("study"))?;
        anyhow::Ok(reader.read_into(&access, file, &city.book, own))
    };
    let home = dir.path().join(OWNER);
    let cheat = Service::cheat(&home, "vault-service", "spoils")?;
    for how in ["cut", "altered", "altered again"] {
        let error = read()?.err().context(how)?;
        let said = error.to_string();
        ensure!(
            said.contains("is not the one that north-hospital anchored"),
            "{how}: {said}"
        );
        ensure!(std::fs::read_dir(&out)?.next().is_none(), "{how}");
    }
    drop(cheat);
    let _vault = Service::vault(&home)?;
    let opened = read()??;
    ensure!(opened.length == 1 << 20, "the same request goes on");
    ensure!(std::fs::read(out.join("study"))? == study);
    Ok(())
}
