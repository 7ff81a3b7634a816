//! Who asks.

use std::sync::Arc;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;

use crate::call::{ApiError, Request, Service};
use crate::iam::state::Text;
use crate::seed::{mix, unique_id};
use crate::world::World;
use crate::world::credentials::{Holder, Session};

/// The principal behind an access key.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    /// The account whose limits IAM calls are charged to.
    pub(crate) hub: AccountId,
    pub(crate) identity: Identity,
    path: Text,
    id: u64,
}

/// A user or a session.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// A user with a long-term key.
    User {
        /// Its name.
        name: Text,
    },
    /// A role session.
    Session(Arc<Session>),
    /// A user of an account outside the organization.
    Outsider,
}

impl Caller {
    /// `arn:aws:iam::…:user/…` or `arn:aws:sts::…:assumed-role/…`.
    pub(crate) fn arn(&self) -> String {
        match &self.identity {
            Identity::User { name } => {
                format!("arn:aws:iam::{}:user{}{name}", self.account, self.path)
            }
            Identity::Outsider => format!("arn:aws:iam::{}:user/engine", self.account),
            Identity::Session(session) => {
                format!(
                    "arn:aws:sts::{}:assumed-role/{}/{}",
                    self.account, session.role_name, session.name
                )
            }
        }
    }

    /// `AIDA…` or `AROA…:session`.
    pub(crate) fn user_id(&self) -> String {
        match &self.identity {
            Identity::User { .. } | Identity::Outsider => spelled("AIDA", self.account, self.id),
            Identity::Session(session) => {
                format!(
                    "{}:{}",
                    spelled("AROA", self.account, session.role_id),
                    session.name
                )
            }
        }
    }

    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        match &self.identity {
            Identity::Session(session) => Some(session),
            Identity::User { .. } | Identity::Outsider => None,
        }
    }
}

/// The unique id of an entity, as IAM shows it.
pub(crate) fn spelled(prefix: &str, account: AccountId, id: u64) -> String {
    unique_id(prefix, 17, mix(id, &[account.number()]))
}

fn unrecognized(service: Service) -> ApiError {
    let code = match service {
        Service::Organizations | Service::Sqs => "UnrecognizedClientException",
        Service::Sts | Service::Iam => "InvalidClientTokenId",
    };
    ApiError::new(
        403,
        code,
        "The security token included in the request is invalid.",
    )
}

fn expired(service: Service) -> ApiError {
    let code = match service {
        Service::Organizations | Service::Sqs => "ExpiredTokenException",
        Service::Sts | Service::Iam => "ExpiredToken",
    };
    ApiError::new(
        403,
        code,
        "The security token included in the request is expired",
    )
}

impl World {
    /// Finds out who signed a request.
    pub(crate) fn authenticate(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Caller, ApiError> {
        let Some(key) = &request.access_key else {
            let code = match request.service {
                Service::Organizations | Service::Sqs => "MissingAuthenticationTokenException",
                Service::Sts | Service::Iam => "MissingAuthenticationToken",
            };
            return Err(ApiError::new(403, code, "Missing Authentication Token"));
        };
        match self.credentials.holder(key) {
            None => Err(unrecognized(request.service)),
            Some(Holder::User { account, name }) => {
                let iam = self
                    .latest(account)
                    .ok_or_else(|| unrecognized(request.service))?;
                let user = iam
                    .users
                    .get(&name)
                    .ok_or_else(|| unrecognized(request.service))?;
                let active = user
                    .keys
                    .iter()
                    .any(|known| *known.id == **key && known.active);
                if !active {
                    return Err(unrecognized(request.service));
                }
                self.credentials.used(
                    key,
                    now.as_second(),
                    request.service.as_str(),
                    &request.region,
                );
                let (path, id) = (Arc::clone(&user.entity.path), user.entity.id);
                Ok(Caller {
                    account,
                    hub: account,
                    identity: Identity::User { name },
                    path,
                    id,
                })
            }
            Some(Holder::Outsider { account }) => Ok(Caller {
                account,
                hub: account,
                identity: Identity::Outsider,
                path: "/".into(),
                id: account.number(),
            }),
            Some(Holder::Session(session)) => {
                if request.session_token.as_deref() != Some(self.credentials.token(key).as_str()) {
                    return Err(unrecognized(request.service));
                }
                if session.expires <= now {
                    return Err(expired(request.service));
                }
                Ok(Caller {
                    account: session.account,
                    hub: session.hub,
                    path: "/".into(),
                    id: session.role_id,
                    identity: Identity::Session(session),
                })
            }
        }
    }
}
