//! What rolekeeper made or adopted, kept beside the journal.

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_engine::port::store::{Completion, StoreError};

use crate::db::{Tx, values};
use crate::rows::operation;

/// What the end of a step means for ownership.
pub(super) async fn follow(
    tx: &mut Tx,
    account: AccountId,
    (action, resource): (&str, &str),
    completion: &Completion,
    entry: i64,
) -> Result<(), StoreError> {
    if !completion.is_done() {
        // A create call without an answer may have been carried out all the same; what it
        // made carries the owner tag, and the next sweep sees it.
        return Ok(());
    }
    match operation(action)? {
        Operation::CreateRole | Operation::CreatePolicy => own(tx, account, resource, entry).await,
        Operation::DeleteRole | Operation::DeletePolicy => tx
            .run(
                "DELETE FROM owned WHERE account = $1 AND key = $2",
                values![account, key(resource)],
            )
            .await
            .map(drop),
        _ => Ok(()),
    }
}

/// Notes a resource as ours.
pub(super) async fn own(
    tx: &mut Tx,
    account: AccountId,
    resource: &str,
    entry: i64,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO owned (account, key, resource, entry) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, key) DO UPDATE SET resource = excluded.resource, \
         entry = excluded.entry",
        values![account, key(resource), resource, entry],
    )
    .await
    .map(drop)
}

/// What makes two names the same resource: IAM's names are unique without regard to
/// case, a role's also without regard to its path, which the deleting step does not name.
fn key(resource: &str) -> String {
    match resource.strip_prefix("role/") {
        Some(rest) => {
            let name = rest.rsplit('/').next().unwrap_or_default();
            format!("role/{}", name.to_ascii_lowercase())
        }
        None => resource.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_role_is_the_same_under_every_path_and_a_policy_is_not() {
        assert_eq!(key("role/Auditor"), key("role/some/path/AUDITOR"));
        assert_eq!(key("policy/Audit"), key("policy/audit"));
        assert_ne!(key("policy/Audit"), key("policy/path/Audit"));
        assert_ne!(key("role/Audit"), key("policy/Audit"));
    }
}
