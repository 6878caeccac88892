use super::*;
use crate::chain::testing::Lone;
use medanchor_ledger::execute::View;
use medanchor_ledger::merkle::{root_at, verify_consistency};
use medanchor_ledger::note::{NoteKey, cosign_note};
use medanchor_ledger::{Height, TreeHash};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The end of a request's body that stands behind its head.
fn body_of(stream: &mut TcpStream) -> Option<String> {
    let (mut request, mut more) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut more).ok().filter(|count| *count > 0)?;
        request.extend(&more[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1)?;
        let length: usize = length.split("\r\n").next()?.parse().ok()?;
        if body.len() >= length {
            return Some(body.to_owned());
        }
    }
}

/// A witness that gives these answers, one after the other, and hands on what it was asked.
fn scripted(answers: Vec<String>) -> (Line, Receiver<AddCheckpoint>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let body = body_of(&mut stream).expect("a request");
            let request = AddCheckpoint::parse(body.as_bytes()).expect("a good request");
            let _ = stream.write_all(answer.as_bytes());
            let _ = seen.send(request);
        }
    });
    (Line::open("w", &url).expect("a thread"), requests)
}

fn answer(head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn conflict(size: &str) -> String {
    answer("409 Conflict\r\ncontent-type: text/x.tlog.size", size)
}

fn root(lone: &Lone, size: u64) -> TreeHash {
    root_at(&lone.shared.store.nodes(), Size(size)).expect("a root")
}

/// A log of a few entries, what is offered of it, and a witness's key and cosignature.
fn stage() -> (Lone, Offer, VerifierKey, String) {
    let mut lone = Lone::start();
    (1..6).for_each(|height| lone.decide(Height(height)));
    let size = lone.shared.store.view().head().frontier.size();
    let checkpoint = Checkpoint {
        origin: lone.shared.genesis.origin().clone(),
        size,
        root: root(&lone, size.0),
    };
    let text = checkpoint.to_string();
    let note = Note::new(
        &text,
        vec![checkpoint.sign(&SigningKey::from_seed(&[1; 32]))],
    );
    let note = bytes::Bytes::from(note.expect("a note").to_string());
    let published = Published {
        checkpoint,
        note: note.clone(),
        served: note,
        cosigned: None,
    };
    let offer = Offer::sign(&published, &SigningKey::from_seed(&[2; 32])).expect("an offer");
    let name: medanchor_ledger::note::KeyName = "witness.example/w1".parse().expect("a name");
    let key = SigningKey::from_seed(&[3; 32]);
    let line = cosign_note(&name, &key, 1_800_000_000, &text).expect("a time");
    let key = VerifierKey::new(name, NoteKey::Cosigner(key.public_key()));
    (lone, offer, key, line.to_string())
}

async fn ask_it(
    lone: &Lone,
    line: &Line,
    key: &VerifierKey,
    offer: &Offer,
    old: u64,
) -> Result<Vec<NoteSignature>, Trouble> {
    let keys = [key.clone()];
    let asked = ask(&lone.shared, line, &keys, offer, Size(old));
    let asked = tokio::time::timeout(Duration::from_secs(60), asked);
    asked.await.expect("in time")
}

#[tokio::test]
async fn a_witness_at_another_size_is_given_the_proof_from_there() {
    let (lone, offer, key, own) = stage();
    let (line, requests) = scripted(vec![conflict("3\n"), answer("200 OK", &own)]);
    let cosigned = ask_it(&lone, &line, &key, &offer, 0)
        .await
        .expect("cosigned");
    assert_eq!(cosigned[0].to_string(), own);
    let first = requests.recv().expect("a request");
    assert_eq!((first.old, first.proof.len()), (Size(0), 0));
    let second = requests.recv().expect("another one");
    assert_eq!(second.old, Size(3));
    let new = &offer.checkpoint;
    let held = verify_consistency(Size(3), &root(&lone, 3), new.size, &new.root, &second.proof);
    assert_eq!(held, Ok(()));
    assert_eq!(
        second.checkpoint.signatures().len(),
        2,
        "the quorum's and the publisher's"
    );
}

#[tokio::test]
async fn a_witness_that_is_ahead_or_cannot_make_up_its_mind_is_asked_no_more_than_twice() {
    let (lone, offer, key, _) = stage();
    for (answers, trouble) in [
        (vec![conflict("1000000\n")], Trouble::Ahead),
        (vec![conflict("18446744073709551615\n")], Trouble::Ahead),
        (vec![conflict("many\n")], Trouble::Malformed),
        (vec![conflict("3\n"), conflict("2\n")], Trouble::Status(409)),
        (vec![conflict("0\n"), conflict("0\n")], Trouble::Status(409)),
        (vec![answer("422 No", "no\n")], Trouble::Status(422)),
    ] {
        let count = answers.len();
        let (line, requests) = scripted(answers);
        assert_eq!(ask_it(&lone, &line, &key, &offer, 1).await, Err(trouble));
        assert_eq!(requests.iter().count(), count);
    }
}

#[tokio::test]
async fn only_a_cosignature_by_the_configured_key_of_this_checkpoint_counts() {
    let (lone, offer, key, own) = stage();
    let name: medanchor_ledger::note::KeyName = "witness.example/w1".parse().expect("a name");
    let sign = |seed: u8, text: &str| {
        let key = SigningKey::from_seed(&[seed; 32]);
        let line = cosign_note(&name, &key, 1_800_000_000, text);
        line.expect("a time").to_string()
    };
    let text = offer.note.text();
    for (body, trouble) in [
        (sign(4, text), Trouble::NoCosignature),
        (sign(3, "another text\n"), Trouble::BadCosignature),
        ("thank you\n".to_owned(), Trouble::Malformed),
    ] {
        let (line, _requests) = scripted(vec![answer("200 OK", &body)]);
        assert_eq!(ask_it(&lone, &line, &key, &offer, 0).await, Err(trouble));
    }
    let more = format!("{}{own}", sign(4, text));
    let (line, _requests) = scripted(vec![answer("200 OK", &more)]);
    let held = ask_it(&lone, &line, &key, &offer, 0)
        .await
        .expect("cosigned");
    assert_eq!(held.len(), 1);
    let full = offer.with(&held).expect("a note");
    assert_eq!(full.signatures().len(), 3);
}
