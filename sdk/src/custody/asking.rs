//! Asking custodians all at once, and going on as soon as enough of them have answered well.
//!
//! What always holds: a custodian that stalls costs nothing while enough others answer; whoever is asked
//! is asked by a thread that ends by itself when the request's time is over, and no more than
//! [`MAX_ASKING`] of these run in a process.

use super::answers::Silence;
use crate::direct::{Ask, Link, MAX_ANSWER};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The most threads that ask at once; whoever comes later waits until one of them ends.
const MAX_ASKING: usize = 128;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// The right to run one thread.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let mut running = running();
        while *running >= MAX_ASKING {
            running = ENDED.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *running() -= 1;
        ENDED.notify_one();
    }
}

fn running() -> MutexGuard<'static, usize> {
    // The count is changed in one step, so a panic elsewhere spoils nothing.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Asks everybody, each in a thread of its own; what could not be asked comes back as an answer. The
/// answers come in the order in which they arrive, and end when the last thread has.
pub(super) fn ask_all(questions: Vec<Result<Question, Silence>>) -> Receiver<Answered> {
    let (sender, answers) = channel();
    for (place, question) in questions.into_iter().enumerate() {
        match question {
            Ok(question) => ask(place, question, &sender),
            Err(why) => tell(&sender, (place, Err(why))),
        }
    }
    answers
}

fn ask(place: usize, question: Question, sender: &Sender<Answered>) {
    let (turn, answers) = (Turn::wait(), sender.clone());
    let started = std::thread::Builder::new()
        .name("asks a custodian".into())
        .spawn(move || {
            let _turn = turn;
            tell(&answers, (place, question.ask()));
        });
    if let Err(error) = started {
        let why = Silence::from(format!("no thread could be started: {error}"));
        tell(sender, (place, Err(why)));
    }
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
    use std::time::Duration;

    /// A counterpart that takes connections and never says a word.
    fn stalled(listener: &TcpListener) -> Question {
        let certificate = Certificate::generate(&["127.0.0.1".into()]).unwrap();
        let counterpart = Counterpart {
            name: "archive".parse().unwrap(),
            address: format!("https://{}", listener.local_addr().unwrap()),
            certificate: certificate.der().to_vec(),
            share_key: None,
        };
        let config = ClientConfig {
            request_timeout: Duration::from_secs(2),
            ..ClientConfig::default()
        };
        Question {
            link: Arc::new(Link::new(&certificate, &counterpart, None, &config).unwrap()),
            statement: vec![1],
        }
    }

    #[test]
    fn whoever_stalls_comes_last_and_its_thread_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = || Err(Silence::from("no such custodian".to_owned()));
        let answers = ask_all(vec![Ok(stalled(&listener)), refused(), refused()]);
        let places: Vec<usize> = answers.iter().take(2).map(|(place, _)| place).collect();
        assert_eq!(places, [1, 2], "the others are not kept waiting");
        let (place, late) = answers.recv().unwrap();
        assert!(place == 0 && late.is_err_and(|why| why.unreachable));
        assert!(answers.recv().is_err(), "no thread is left");
    }
}
