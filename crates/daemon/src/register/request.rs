//! What is said to the vendor about one account, and its digest.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::registration::{Action, Registration, Task};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::template::{Values, Word};
use super::{Register, Shape};
use crate::outgoing::{SIGNATURE, signature};

/// The longest id of a vendor that is taken for one.
const VENDOR_ID_LONGEST: usize = 128;

/// What is the same for every account of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ground {
    /// The partition.
    pub(crate) partition: Partition,
    /// The organization's id.
    pub(crate) organization_id: String,
}

/// The account that is spoken about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Its id.
    pub(crate) account: AccountId,
    /// Its name.
    pub(crate) name: &'a str,
}

/// Why no request can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unaskable {
    /// There is no such call any more, or it would say something else than was decided.
    #[error("what would be said has changed")]
    Outdated,
    /// The vendor never gave an id.
    #[error("the vendor's id for the account is not known")]
    NoVendorId,
    /// The parts do not make a request.
    #[error("the URL cannot be used")]
    Url,
}

impl Register {
    /// The call for an action.
    pub(crate) const fn shape(&self, action: Action) -> Option<&Shape> {
        match action {
            Action::Register => Some(&self.register),
            Action::Revalidate => self.revalidate.as_ref(),
            Action::Withdraw => self.withdraw.as_ref(),
        }
    }

    /// Whether the vendor can be asked to look again at an account whose id is known or not.
    pub(crate) fn can_revalidate(&self, id_known: bool) -> bool {
        self.revalidate
            .as_ref()
            .is_some_and(|shape| id_known || !shape.url.uses(Word::VendorId))
    }

    fn values(&self, ground: &Ground, subject: Subject<'_>) -> Values {
        let (partition, account) = (ground.partition, subject.account);
        let external_id = self
            .external_id
            .as_ref()
            .map(|id| id.expose_secret().to_owned())
            .unwrap_or_default();
        [
            (Word::AccountId, account.to_string()),
            (Word::AccountName, subject.name.to_owned()),
            (
                Word::RoleArn,
                format!(
                    "arn:{partition}:iam::{account}:role{}{}",
                    self.path, self.role
                ),
            ),
            (Word::ExternalId, external_id),
            (Word::Partition, partition.to_string()),
            (Word::OrganizationId, ground.organization_id.clone()),
        ]
        .into_iter()
        .collect()
    }

    /// The digest of all that the vendor is told about an account. The external id is part of it also
    /// where the body leaves it out: the vendor works with it.
    pub(crate) fn digest(&self, ground: &Ground, subject: Subject<'_>) -> String {
        let values = self.values(ground, subject);
        let said = [
            self.register.method.to_string(),
            self.register.url.url(&values),
            self.body.fill(&values),
        ];
        let known = [
            Word::AccountId,
            Word::AccountName,
            Word::RoleArn,
            Word::ExternalId,
        ];
        let known = known.iter().filter_map(|word| values.get(word).cloned());
        digest_of(said.into_iter().chain(known))
    }

    /// A digest of the settings with their secrets: other settings, another digest.
    pub(crate) fn fingerprint(&self) -> String {
        let secret = |secret: &Option<secrecy::SecretString>| {
            secret
                .as_ref()
                .map(|secret| secret.expose_secret().to_owned())
                .unwrap_or_default()
        };
        let parts = [
            // The debug form hides the secrets.
            format!("{self:?}"),
            secret(&self.token),
            secret(&self.secret),
            secret(&self.external_id),
        ];
        digest_of(parts.into_iter())
    }

    /// The request that a record's task asks for.
    pub(crate) fn request(
        &self,
        known: &Registration,
        task: &Task,
        ground: &Ground,
        at: Timestamp,
    ) -> Result<Request<Full<Bytes>>, Unaskable> {
        let subject = Subject {
            account: known.account,
            name: &known.name,
        };
        let shape = self.shape(task.action).ok_or(Unaskable::Outdated)?;
        let mut values = self.values(ground, subject);
        if shape.url.uses(Word::VendorId) {
            let id = known.vendor_id().ok_or(Unaskable::NoVendorId)?;
            values.insert(Word::VendorId, id.to_owned());
        }
        let body = match task.action {
            Action::Register if task.digest != self.digest(ground, subject) => {
                return Err(Unaskable::Outdated);
            }
            Action::Register => self.body.fill(&values),
            Action::Revalidate | Action::Withdraw => later_body(known, task.action, &values),
        };
        self.assemble(shape, shape.url.url(&values), &key(known, task), body, at)
    }

    fn assemble(
        &self,
        shape: &Shape,
        url: String,
        key: &str,
        body: String,
        at: Timestamp,
    ) -> Result<Request<Full<Bytes>>, Unaskable> {
        let mut request = Request::builder()
            .method(shape.method.clone())
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header("idempotency-key", key);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {}", token.expose_secret());
            let mut bearer = http::HeaderValue::try_from(bearer).map_err(|_| Unaskable::Url)?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret, at, body.as_bytes()));
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Unaskable::Url)
    }
}

/// A later call says which one it is and about whom, so that a signature is worth nothing
/// for another account or another call.
fn later_body(known: &Registration, action: Action, values: &Values) -> String {
    json!({
        "action": action.as_str(),
        "account_id": known.account.to_string(),
        "role_arn": values.get(&Word::RoleArn),
    })
    .to_string()
}

/// The key under which the vendor knows a repeated call as the same one: the account, the role, what is
/// said, and after what it is said. The same for every attempt, also after a crash.
pub(super) fn key(known: &Registration, task: &Task) -> String {
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let after = known
        .told
        .as_ref()
        .map(|told| told.at)
        .or(known.withdrawn_at);
    let again = (task.action == Action::Revalidate).then_some(task.wanted_at);
    digest_of(
        [
            task.action.as_str().to_owned(),
            known.account.to_string(),
            known.role.to_string(),
            task.digest.clone(),
            moment(after),
            moment(again),
        ]
        .into_iter(),
    )
}

fn digest_of(parts: impl Iterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps neighbours apart.
        hash.update(part.len().to_string());
        hash.update(":");
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The vendor's id in an answer. What could not stand in a path is none: it comes from outside.
pub(super) fn vendor_id(answer: &[u8], pointer: &str) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let id = match answer.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte));
    let fits = (1..=VENDOR_ID_LONGEST).contains(&id.len()) && !id.bytes().all(|byte| byte == b'.');
    (plain && fits).then_some(id)
}
