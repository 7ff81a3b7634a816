//! Retiring a temporary user: a sweep that proves the roles, looks at all of the user, takes it
//! apart step by step on record, and looks again.
//!
//! What may be taken, and in which order, is [`rolekeeper_domain::user::retirement`]'s to say.

mod account;
mod paced;
mod settle;
mod walk;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::user::{Belonging, ObservedUser};

pub(crate) use self::settle::settle;
pub(crate) use self::walk::carry_out;
use crate::port::directory::Page;
use crate::port::user::UserReader;

/// Pages read of one listing. IAM's quotas allow a user no listing longer than two;
/// what goes on for longer is not a user.
const MAX_PAGES: usize = 20;

/// Who is to be retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The user's name, the same in every account.
    pub user: String,
    /// How long it must not have been used for anything but setting up a role.
    pub quiet_for: SignedDuration,
}

/// Everything about the user; none when there is no such user.
///
/// # Errors
/// What could not be read: a user half seen is not taken apart.
pub async fn look<R: UserReader>(reader: &R) -> Result<Option<ObservedUser>, Fault> {
    let Some(facts) = reader.user().await? else {
        return Ok(None);
    };
    let mut pages = Pages::new();
    loop {
        let page = reader.keys(pages.next.as_deref()).await?;
        if !pages.take(page)? {
            break;
        }
    }
    let mut keys = pages.items;
    for key in &mut keys {
        key.last_used = reader.last_use(&key.id).await?;
    }
    let mut belongings = BTreeSet::new();
    for kind in Belonging::ALL {
        let mut pages = Pages::new();
        loop {
            let page = reader.belongings(kind, pages.next.as_deref()).await?;
            if !pages.take(page)? {
                break;
            }
        }
        belongings.extend(pages.items.into_iter().map(|id| (kind, id)));
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

/// The pages of one listing. A user that vanishes on the way has nothing more.
struct Pages<T> {
    items: Vec<T>,
    next: Option<String>,
    read: usize,
}

impl<T> Pages<T> {
    const fn new() -> Self {
        Self {
            items: Vec::new(),
            next: None,
            read: 0,
        }
    }

    /// Takes a page; answers whether there is another.
    fn take(&mut self, page: Option<Page<T>>) -> Result<bool, Fault> {
        let Some(page) = page else {
            return Ok(false);
        };
        self.items.extend(page.items);
        self.next = page.next;
        self.read += 1;
        if self.next.is_some() && self.read == MAX_PAGES {
            let words = format!("a listing of a user goes on after {MAX_PAGES} pages");
            return Err(Fault::new(Category::Internal, words));
        }
        Ok(self.next.is_some())
    }
}
