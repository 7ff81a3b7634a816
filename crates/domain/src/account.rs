//! Who is there: accounts, their state, and where in the organization they sit.

use std::fmt;
use std::str::FromStr;

use crate::fault::Fault;

/// A twelve-digit AWS account id.
///
/// Held as a number: a census of 50,000 accounts is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

impl AccountId {
    /// The twelve digits as a number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A text that is not an account id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an AWS account id: twelve digits are wanted")]
pub struct InvalidAccountId {
    /// What was found instead.
    pub found: String,
}

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAccountId {
            found: text.to_owned(),
        };
        if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        text.parse().map(Self).map_err(|_| invalid())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` keeps width and alignment flags working in tables.
        f.pad(&format!("{:012}", self.0))
    }
}

/// Where an account is in its life, as Organizations says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountState {
    /// In use.
    Active,
    /// Suspended by AWS.
    Suspended,
    /// Closing has been asked for and is under way.
    PendingClosure,
    /// Closed; Organizations lists it for 90 more days.
    Closed,
    /// Created, not yet usable.
    PendingActivation,
    /// Organizations gave no state, or one this version does not know. Never
    /// taken for active and never dropped: the account's outcome is a failure.
    Unknown(Option<String>),
}

/// The place of an account in the organization: from the root down.
///
/// Ids are what Organizations gives (`r-ab12`, `ou-ab12-11111111`); names are
/// what people read and write in selectors (`prod/payments`). The root itself is in
/// the ids but not in the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OuPath {
    /// Root id first, then one id for each organizational unit.
    pub ids: Vec<String>,
    /// One name for each organizational unit, without the root.
    pub names: Vec<String>,
}

impl fmt::Display for OuPath {
    /// The names joined by `/`; a `/` alone for an account directly below the root.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            f.write_str("/")
        } else {
            f.write_str(&self.names.join("/"))
        }
    }
}

/// One account of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name: text from AWS, not to be trusted by whoever prints it.
    pub name: String,
    /// Its state.
    pub state: AccountState,
    /// Its place.
    pub path: OuPath,
    /// Whether it is the organization's management account.
    pub is_management: bool,
    /// Its tags in Organizations; read only when a selector asks for tags.
    pub tags: Vec<(String, String)>,
}

/// What discovery found.
///
/// A partial census never means that an account is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Census {
    /// Every page was read.
    Whole(Vec<Account>),
    /// Some pages could not be read.
    Partial {
        /// The accounts that were read.
        accounts: Vec<Account>,
        /// Why the rest was not.
        unread: Fault,
    },
}
