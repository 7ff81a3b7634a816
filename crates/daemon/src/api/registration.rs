//! What the vendor was told, as the API shows it.

use rolekeeper_domain::registration::Registration;
use serde::Serialize;
use utoipa::ToSchema;

/// What the vendor was told about an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RegistrationView {
    pub(crate) role: String,
    /// `registered`, `waiting`, `given_up`, `not_registered`.
    pub(crate) state: &'static str,
    pub(crate) registered_at: Option<String>,
    /// The vendor's own id for the account.
    pub(crate) vendor_id: Option<String>,
    pub(crate) revalidated_at: Option<String>,
    pub(crate) withdrawn_at: Option<String>,
    /// The call that is still to be made: `register`, `revalidate`, `withdraw`.
    pub(crate) waiting_for: Option<&'static str>,
    pub(crate) failed_at: Option<String>,
    pub(crate) failure: Option<String>,
}

impl From<Registration> for RegistrationView {
    fn from(it: Registration) -> Self {
        let text = |at: jiff::Timestamp| at.to_string();
        Self {
            role: it.role.to_string(),
            state: it.state().as_str(),
            registered_at: it.told.as_ref().map(|told| text(told.at)),
            vendor_id: it.vendor_id().map(str::to_owned),
            revalidated_at: it.validated_at.map(text),
            withdrawn_at: it.withdrawn_at.map(text),
            waiting_for: it.task.as_ref().map(|task| task.action.as_str()),
            failed_at: it.trouble.as_ref().map(|trouble| text(trouble.at)),
            failure: it.trouble.map(|trouble| trouble.why),
        }
    }
}
