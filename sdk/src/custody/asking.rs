//! Asking custodians all at once, and going on as soon as enough of them have answered well.
//!
//! What always holds: a custodian that stalls costs nothing while enough others answer, also the reads that
//! come later; whoever is asked is asked by a thread that ends by itself when the request's time is over.
//! No more than [`MAX_PENDING`] threads of a process wait for one custodian: whoever owes that many answers is
//! not asked again until it gives one, and is named as silent. No more than [`MAX_READS`] reads wait for answers
//! at once, so a custodian that answers is never taken for one that stalls because many read.

use super::answers::Silence;
use crate::direct::{Ask, Link, MAX_ANSWER};
use medanchor_ledger::ParticipantName;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The most answers that one custodian may owe at once.
const MAX_PENDING: usize = 32;
/// The most reads that wait for answers at once; whoever comes later waits until one of them is over.
const MAX_READS: usize = 24;

static READING: Mutex<usize> = Mutex::new(0);
static OVER: Condvar = Condvar::new();
/// How many answers each custodian owes.
static PENDING: Mutex<BTreeMap<ParticipantName, usize>> = Mutex::new(BTreeMap::new());

/// What is behind a lock here is changed in one step, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to wait for answers.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let mut reading = locked(&READING);
        while *reading >= MAX_READS {
            reading = OVER.wait(reading).unwrap_or_else(PoisonError::into_inner);
        }
        *reading += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *locked(&READING) -= 1;
        OVER.notify_one();
    }
}

/// The right to ask one custodian one thing.
struct Pending(ParticipantName);

impl Pending {
    /// None if it owes too many answers already.
    fn of(name: &ParticipantName) -> Option<Self> {
        let mut pending = locked(&PENDING);
        let owed = pending.entry(name.clone()).or_default();
        if *owed >= MAX_PENDING {
            return None;
        }
        *owed += 1;
        Some(Self(name.clone()))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut pending = locked(&PENDING);
        match pending.get_mut(&self.0) {
            Some(owed) if *owed > 1 => *owed -= 1,
            _ => drop(pending.remove(&self.0)),
        }
    }
}

/// What one custodian is asked, over which connection.
pub(super) struct Question {
    pub(super) link: Arc<Link>,
    pub(super) statement: Vec<u8>,
}

impl Question {
    fn ask(&self) -> Result<Vec<u8>, Silence> {
        let answer = self.link.ask(Ask::Release, &self.statement, MAX_ANSWER);
        answer.map_err(|error| Silence::of(&error))
    }
}

/// The place of whoever answered, and the answer.
type Answered = (usize, Result<Vec<u8>, Silence>);

/// The answers to come, while they are waited for.
pub(super) struct Answering {
    answers: Receiver<Answered>,
    _turn: Turn,
}

impl Iterator for Answering {
    type Item = Answered;

    fn next(&mut self) -> Option<Answered> {
        self.answers.recv().ok()
    }
}

/// Asks everybody, each in a thread of its own; what could not be asked comes back as an answer. The
/// answers come in the order in which they arrive, and end when the last thread has.
pub(super) fn ask_all(questions: Vec<Result<Question, Silence>>) -> Answering {
    let turn = Turn::wait();
    let (sender, answers) = channel();
    for (place, question) in questions.into_iter().enumerate() {
        if let Err(why) = question.and_then(|question| ask(place, question, &sender)) {
            tell(&sender, (place, Err(why)));
        }
    }
    Answering {
        answers,
        _turn: turn,
    }
}

/// Starts a thread that asks.
fn ask(place: usize, question: Question, sender: &Sender<Answered>) -> Result<(), Silence> {
    let owes =
        || format!("it owes {MAX_PENDING} answers already, and was not asked; ask again later");
    let pending = Pending::of(question.link.name());
    let pending = pending.ok_or_else(|| Silence::from(owes()))?;
    let answers = sender.clone();
    let started = std::thread::Builder::new()
        .name("asks a custodian".into())
        .spawn(move || {
            let answer = question.ask();
            drop(pending);
            tell(&answers, (place, answer));
        });
    let failed = |error| Silence::from(format!("no thread could be started: {error}"));
    started.map(drop).map_err(failed)
}

/// Nobody listens any more once there are enough answers.
fn tell(answers: &Sender<Answered>, answered: Answered) {
    let _ = answers.send(answered);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientConfig;
    use crate::direct::{Certificate, Counterpart};
    use std::net::TcpListener;

    /// A counterpart that takes connections and never says a word.
    fn stalled(name: &str, listener: &TcpListener) -> Question {
        let certificate = Certificate::generate(&["127.0.0.1".into()]).unwrap();
        let counterpart = Counterpart {
            name: name.parse().unwrap(),
            address: format!("https://{}", listener.local_addr().unwrap()),
            certificate: certificate.der().to_vec(),
            share_key: None,
        };
        let config = ClientConfig::default();
        Question {
            link: Arc::new(Link::new(&certificate, &counterpart, None, &config).unwrap()),
            statement: vec![1],
        }
    }

    fn refused() -> Result<Question, Silence> {
        Err(Silence::from("no such custodian".to_owned()))
    }

    #[test]
    fn whoever_stalls_comes_last_and_its_thread_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let questions = vec![Ok(stalled("archive", &listener)), refused(), refused()];
        let mut answers = ask_all(questions);
        let places: Vec<usize> = answers.by_ref().take(2).map(|(place, _)| place).collect();
        assert_eq!(places, [1, 2], "the others are not kept waiting");
        let (connection, _) = listener.accept().unwrap();
        drop((listener, connection));
        let (place, late) = answers.next().unwrap();
        assert!(place == 0 && late.is_err_and(|why| why.unreachable));
        assert!(answers.next().is_none(), "no thread is left");
    }

    /// One custodian stalled, and reads came faster than its threads ended: the reads after that waited for
    /// these threads before they looked at any answer.
    #[test]
    fn whoever_owes_too_many_answers_is_not_asked_again_and_holds_up_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let read = || ask_all(vec![Ok(stalled("bar", &listener)), refused()]);
        for _ in 0..MAX_PENDING {
            // What this read gives up waiting for goes on waiting.
            assert_eq!(read().next().unwrap().0, 1);
        }
        let mut places: Vec<_> = read().collect();
        places.sort_by_key(|(place, _)| *place);
        let (_, silent) = places.remove(0);
        let why = silent.unwrap_err();
        assert!(why.why.contains("owes 32 answers") && !why.unreachable);
        assert_eq!(places.remove(0).0, 1);
        assert!(places.is_empty(), "nobody is waited for");
        let others = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut other = ask_all(vec![Ok(stalled("dean", &others))]);
        drop(others.accept().unwrap());
        drop(others);
        assert!(
            other.next().unwrap().1.unwrap_err().unreachable,
            "it was asked"
        );
    }
}
