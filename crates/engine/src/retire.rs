//! Retiring a temporary user: look at all of it, take it apart step by step, look again.
//!
//! What may be taken, and in which order, is [`rolekeeper_domain::user::retirement`]'s to say.

use std::collections::BTreeSet;

use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::user::{Belonging, ObservedUser, UserStep};

use crate::port::directory::Page;
use crate::port::session::Receipt;
use crate::port::user::{UserReader, UserWriter};

/// Pages read of one listing. IAM's quotas allow a user no listing longer than two;
/// what goes on for longer is not a user.
const MAX_PAGES: usize = 20;

/// What became of one step.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The step.
    pub step: UserStep,
    /// What AWS said.
    pub answer: Result<Receipt, Fault>,
}

/// How a retirement ended.
#[derive(Clone, Debug, Default)]
pub struct Retirement {
    /// The steps taken, the last of which may have failed. None after a failed one was taken.
    pub taken: Vec<Taken>,
    /// Whether the user was looked for afterwards and is gone.
    pub gone: bool,
}

/// Everything about the user; none when there is no such user.
///
/// # Errors
/// What could not be read: a user half seen is not taken apart.
pub async fn look<R: UserReader>(reader: &R) -> Result<Option<ObservedUser>, Fault> {
    let Some(facts) = reader.user().await? else {
        return Ok(None);
    };
    let mut keys = every_page(async |next| reader.keys(next.as_deref()).await).await?;
    for key in &mut keys {
        key.last_used = reader.last_use(&key.id).await?;
    }
    let mut belongings = BTreeSet::new();
    for kind in Belonging::ALL {
        let ids = every_page(async |next| reader.belongings(kind, next.as_deref()).await).await?;
        belongings.extend(ids.into_iter().map(|id| (kind, id)));
    }
    Ok(Some(ObservedUser {
        arn: facts.arn,
        name: facts.name,
        password_last_used: facts.password_last_used,
        has_password: reader.has_password().await?,
        keys,
        belongings,
    }))
}

/// Takes the steps one after the other, none after one that failed, and looks
/// whether the user is gone.
pub async fn carry_out<R: UserReader, W: UserWriter>(
    reader: &R,
    writer: &W,
    steps: &[UserStep],
) -> Retirement {
    let mut ended = Retirement::default();
    for step in steps {
        let answer = writer.take(step).await;
        let failed = answer.is_err();
        ended.taken.push(Taken {
            step: step.clone(),
            answer,
        });
        if failed {
            break;
        }
    }
    ended.gone = matches!(reader.user().await, Ok(None));
    ended
}

/// All pages of a listing. A user that vanishes on the way has nothing.
async fn every_page<T>(
    page: impl AsyncFn(Option<String>) -> Result<Option<Page<T>>, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut items = Vec::new();
    let mut next = None;
    for _ in 0..MAX_PAGES {
        let Some(found) = page(next.take()).await? else {
            return Ok(items);
        };
        items.extend(found.items);
        match found.next {
            Some(token) => next = Some(token),
            None => return Ok(items),
        }
    }
    Err(Fault::new(
        Category::Internal,
        format!("a listing of a user goes on after {MAX_PAGES} pages"),
    ))
}
