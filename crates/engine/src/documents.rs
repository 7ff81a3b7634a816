//! What policy versions say, read once.
//!
//! A version of a managed policy never changes and its id is never used again, so
//! (policy id, version id) names a document for ever. Ten thousand accounts mostly have
//! the same few documents under different ids: each text is parsed and kept once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rolekeeper_domain::observation::ObservedDocument;
use rolekeeper_domain::policy::{Document, Kind};
use tokio::sync::{mpsc, oneshot};

use crate::port::store::{Memory, StoreError};

/// Distinct texts kept at most. A fleet has a handful; a hostile one could have one an account.
const MAX_TEXTS: usize = 1_024;

/// Policy ids asked for in one query.
const BATCH: usize = 500;

/// Questions waiting for the store at most.
const QUEUE: usize = 1_024;

type Key = (String, String);
type Answer = Option<Arc<str>>;

/// Asks the store in batches: whatever was asked while one query ran goes into the next.
pub(crate) struct Loader {
    questions: mpsc::Receiver<Question>,
}

struct Question {
    policy_id: String,
    version_id: String,
    answer: oneshot::Sender<Answer>,
}

/// The documents known in this sweep.
pub(crate) struct Documents {
    parsed: Mutex<BTreeMap<Arc<str>, ObservedDocument>>,
    ask: mpsc::Sender<Question>,
}

impl Documents {
    pub(crate) fn new() -> (Self, Loader) {
        let (ask, questions) = mpsc::channel(QUEUE);
        (
            Self {
                parsed: Mutex::default(),
                ask,
            },
            Loader { questions },
        )
    }

    /// The document of a policy version, if it has been read before.
    pub(crate) async fn known(
        &self,
        policy_id: &str,
        version_id: &str,
    ) -> Option<ObservedDocument> {
        let (answer, known) = oneshot::channel();
        let question = Question {
            policy_id: policy_id.to_owned(),
            version_id: version_id.to_owned(),
            answer,
        };
        // A loader that is gone knows nothing: the call is made then.
        self.ask.send(question).await.ok()?;
        let text = known.await.ok()??;
        Some(self.parsed(&text))
    }

    /// The parsed form of a text, shared by everybody who has the same one.
    fn parsed(&self, text: &Arc<str>) -> ObservedDocument {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = parsed.get(text) {
            return document.clone();
        }
        let document = parse(text);
        if parsed.len() < MAX_TEXTS {
            parsed.insert(Arc::clone(text), document.clone());
        }
        document
    }
}

fn parse(text: &str) -> ObservedDocument {
    match Document::parse(Kind::Identity, text) {
        Ok(document) => ObservedDocument::Valid(document),
        Err(error) => ObservedDocument::Malformed {
            text: text.to_owned(),
            why: error.to_string(),
        },
    }
}

impl Loader {
    /// Answers questions until nobody can ask any more.
    pub(crate) async fn run(mut self, memory: &impl Memory) -> Result<(), StoreError> {
        let mut questions = Vec::with_capacity(BATCH);
        while self.questions.recv_many(&mut questions, BATCH).await > 0 {
            let ids: Vec<String> = questions
                .iter()
                .map(|question| question.policy_id.clone())
                .collect();
            let found = memory.known_documents(&ids).await?;
            let mut texts: BTreeMap<String, Arc<str>> = BTreeMap::new();
            let known: BTreeMap<Key, Arc<str>> = found
                .into_iter()
                .map(|(key, text)| {
                    let shared = texts
                        .entry(text)
                        .or_insert_with_key(|text| Arc::from(text.as_str()));
                    (key, Arc::clone(shared))
                })
                .collect();
            for question in questions.drain(..) {
                let key = (question.policy_id, question.version_id);
                // Whoever asked may have given up in the meantime.
                drop(question.answer.send(known.get(&key).cloned()));
            }
        }
        Ok(())
    }
}
