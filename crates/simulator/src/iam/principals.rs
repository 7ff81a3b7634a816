//! The principals of trust policies: ARNs outside, unique ids inside.
//!
//! When a trust policy is written, IAM notes which entity each ARN stands for.
//! Once that entity is deleted, the policy shows its unique id, also when a new
//! one stands under the same ARN.

use std::sync::Arc;

use rolekeeper_domain::account::AccountId;

use crate::call::ApiError;
use crate::iam::paper::{Kind, Paper};
use crate::iam::state::{Role, Text};
use crate::seed::word;
use crate::world::World;
use crate::world::caller::spelled;

/// What an ARN stands for now; none when nothing stands there.
fn stands_for(world: &World, arn: &str) -> Option<u64> {
    let mut parts = arn.splitn(6, ':').skip(4);
    let account: AccountId = parts.next()?.parse().ok()?;
    let resource = parts.next()?;
    if !world.is_member(account) {
        // Of accounts elsewhere nothing is known but that it may be so.
        return Some(word(arn));
    }
    let iam = world.latest(account)?;
    let (kind, rest) = resource.split_once('/')?;
    let name = rest.rsplit('/').next()?;
    let entity = match kind {
        "role" => &iam.roles.get(name)?.entity,
        "user" => &iam.users.get(name)?.entity,
        _ => return None,
    };
    let path = format!(
        "/{}",
        rest.get(..rest.len() - name.len()).unwrap_or_default()
    );
    (*entity.path == *path && *entity.name == *name).then_some(entity.id)
}

/// Notes what the ARNs of a trust policy stand for.
pub(crate) fn resolve(world: &World, paper: &Paper) -> Result<Vec<(Text, u64)>, ApiError> {
    let resolve = |arn: &Text| {
        let id = stands_for(world, arn).ok_or_else(|| {
            ApiError::bad(
                "MalformedPolicyDocument",
                format!("Invalid principal in policy: \"AWS\":\"{arn}\""),
            )
        })?;
        Ok((Arc::clone(arn), id))
    };
    paper.principals().iter().map(resolve).collect()
}

/// The trust policy as it reads now.
pub(crate) fn effective_trust(world: &World, role: &Role) -> Arc<Paper> {
    let gone = |(arn, id): &&(Text, u64)| stands_for(world, arn) != Some(*id);
    let mut text: Option<String> = None;
    for (arn, id) in role.trusted.iter().filter(gone) {
        let account = arn
            .split(':')
            .nth(4)
            .and_then(|account| account.parse().ok());
        let prefix = if arn.contains(":user/") {
            "AIDA"
        } else {
            "AROA"
        };
        let shown = account.map_or_else(String::new, |account| spelled(prefix, account, *id));
        let before = text.as_deref().unwrap_or(role.trust.text());
        text = Some(before.replace(&format!("\"{arn}\""), &format!("\"{shown}\"")));
    }
    let changed = text.and_then(|text| world.library.take(Kind::Trust, &text).ok());
    changed.unwrap_or_else(|| Arc::clone(&role.trust))
}
