//! Asking the instance how its agents do: with the API token where this shell has one, else with the owner key.
//!
//! For a table that goes on a thread asks, one question at a time, and only when it is told to: it ends with whoever
//! tells it, after an answer that has its deadline.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use serde_json::Value;

use crate::{
    cli::{
        outcome::{Exit, Failure},
        verbs::{client_failure, expect_success, owner, refusal, swarm},
    },
    client::{Answer, Client, ClientError},
    sys::poll::Wake,
};

const PATH: &str = "/api/v1/top";

/// Who asks.
pub(super) struct Asker {
    owner: Client,
    /// with the API token
    operator: Option<Client>,
}

/// What became of a question.
pub(super) enum Told {
    /// an answer
    Answer(Value),
    /// none this time, and why
    NotNow(String),
    /// none any more
    Over(Failure),
}

impl Asker {
    /// By what this shell has.
    pub(super) fn find() -> Result<Self, Failure> {
        Ok(Self { operator: swarm::with_token()?, owner: owner()? })
    }

    /// The answer, or why there is none.
    pub(super) fn ask(&self) -> Result<Value, Failure> {
        let answer = self.look();
        if answer.as_ref().is_ok_and(|answer| answer.status == 403) {
            return Err(swarm::needs_token());
        }
        expect_success(answer).map(|answer| answer.json())
    }

    /// Whether there is such a swarm: of one that does not run there are no agents, as of one that is not there.
    pub(super) fn knows(&self, name: &str) -> Result<(), Failure> {
        let answer = swarm::operator()?.get(&format!("/api/swarms/{name}"));
        let answer = answer.map_err(|error| client_failure(&error))?;
        // Who may not ask that is told so by the question that follows.
        if answer.status == 404 { Err(swarm::refused(&answer)) } else { Ok(()) }
    }

    fn look(&self) -> Result<Answer, ClientError> {
        let Some(operator) = &self.operator else { return self.owner.get(PATH) };
        let answer = operator.get(PATH)?;
        // The instance may have no token, so that it knows none.
        if answer.status == 401 { self.owner.get(PATH) } else { Ok(answer) }
    }

    /// The same, told apart by whether asking again may help.
    fn ask_again(&self) -> Told {
        match self.look() {
            Ok(answer) if answer.is_success() => Told::Answer(answer.json()),
            Ok(answer) if matches!(answer.status, 408 | 429 | 500..) => {
                let body = answer.json();
                let why = body.get("error").and_then(Value::as_str).unwrap_or("no reason was given");
                Told::NotNow(why.to_owned())
            }
            Ok(answer) if answer.status == 403 => Told::Over(swarm::needs_token()),
            Ok(answer) => Told::Over(refusal(&answer)),
            Err(error @ (ClientError::TimedOut(_) | ClientError::TooLarge | ClientError::Broken(_))) => {
                Told::NotNow(error.to_string())
            }
            Err(error) => Told::Over(client_failure(&error)),
        }
    }

    /// Lets a thread do the asking; `wake` is woken with each answer.
    pub(super) fn start(self, wake: Arc<Wake>) -> Result<Asking, Failure> {
        let (question, questions) = sync_channel(1);
        let (answers, answer) = sync_channel(1);
        let ask = move || {
            while let Ok(()) = questions.recv() {
                if answers.send(self.ask_again()).is_err() {
                    break;
                }
                wake.wake();
            }
        };
        let thread = thread::Builder::new().name("ask".into()).spawn(ask);
        thread.map_err(|error| Failure::new(Exit::CannotCreate, format!("no thread: {error}")))?;
        Ok(Asking { question, answer, asked: false })
    }
}

/// A thread that asks when it is told to.
pub(super) struct Asking {
    question: SyncSender<()>,
    answer: Receiver<Told>,
    /// an answer is awaited
    asked: bool,
}

impl Asking {
    /// Asks, unless an answer is awaited already.
    pub(super) fn ask(&mut self) {
        // Where nobody takes it, nobody waits for an answer either.
        self.asked = self.asked || self.question.try_send(()).is_ok();
    }

    /// What was told, if something was.
    pub(super) fn told(&mut self) -> Option<Told> {
        let told = self.answer.try_recv().ok()?;
        self.asked = false;
        Some(told)
    }
}
