//! Telling the vendor which accounts there are: `[register]`.
//!
//! What has to be told is decided by [`rolekeeper_domain::registration`] from what the sweeps
//! saw; [`scan`] feeds it from the store and keeps its answers there, [`deliver`] makes the calls
//! that are due. A process that dies anywhere in between loses nothing: the next scan sees the
//! same reports, and a call that may have been made is made again under the same key.

mod deliver;
mod request;
mod scan;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use self::deliver::{Courier, Delivered, OUTCOMES, deliver};
pub(crate) use self::request::{Ground, Subject};
pub(crate) use self::scan::{Look, Scanned, scan};
pub(crate) use self::template::{Body, TemplateError, Text, Word};

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use rolekeeper_domain::registration::Leaving;
use rolekeeper_domain::role::{IamPath, RoleName};
use secrecy::SecretString;

/// One kind of call.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// How.
    pub(crate) method: Method,
    /// Where to.
    pub(crate) url: Text,
}

/// `[register]`: how the vendor is told.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    /// The role that the vendor assumes.
    pub(crate) role: RoleName,
    /// Its path.
    pub(crate) path: IamPath,
    /// Whether that role should not be there.
    pub(crate) absent: bool,
    /// What the vendor presents when it assumes the role.
    pub(crate) external_id: Option<SecretString>,
    /// The call that makes an account known, or tells what changed about it.
    pub(crate) register: Shape,
    /// What it says.
    pub(crate) body: Body,
    /// The call after which the vendor looks at the role again.
    pub(crate) revalidate: Option<Shape>,
    /// The call after which the vendor forgets an account.
    pub(crate) withdraw: Option<Shape>,
    /// When that one is made.
    pub(crate) withdraw_on: BTreeSet<Leaving>,
    /// Where in an answer the vendor's id stands, as a JSON pointer.
    pub(crate) vendor_id: Option<String>,
    /// The bearer token.
    pub(crate) token: Option<SecretString>,
    /// The key of the signature.
    pub(crate) secret: Option<SecretString>,
    /// Further headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The longest a call may take.
    pub(crate) timeout: Duration,
}

/// What registering goes by: the settings, and since when they are in force here.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    /// The settings.
    pub(crate) register: Register,
    /// A digest of the specification that goes with them.
    pub(crate) revision: String,
    /// A sweep that began earlier may have gone by other ones.
    pub(crate) since: Timestamp,
}
