//! Identity and Access Management.

mod attachments;
pub(crate) mod aws_managed;
mod inline;
mod keys;
mod lookaround;
pub(crate) mod paper;
mod permit;
pub(crate) mod policies;
pub(crate) mod principals;
mod roles;
mod rules;
pub(crate) mod state;
mod table;
mod users;
pub(crate) mod versions;

use std::sync::Arc;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::state::Iam;
use crate::seed::word;
use crate::sqs::News;
use crate::world::World;
use crate::xml::Xml;

pub(crate) use crate::iam::rules::date;
pub(crate) use crate::iam::table::operation;
use crate::iam::table::{Operation, Run};

/// Answers an IAM call with what goes inside `…Result`.
pub(crate) fn answer(ask: &Ask<'_>) -> Result<String, ApiError> {
    let Some(operation) = operation(ask.operation) else {
        return Err(ApiError::bad("InvalidAction", ask.operation));
    };
    if !ask.world.is_usable(ask.account) {
        let message = "The AWS Access Key Id needs a subscription for the service";
        return Err(ApiError::new(403, "OptInRequired", message));
    }
    let mut xml = Xml::with_capacity(1_024);
    match operation.run {
        Run::Read(run) => {
            let iam = ask.world.seen(ask.account, ask.now).unwrap_or_default();
            permit::permit(ask, operation, &iam)?;
            run(ask, &iam, &mut xml)?;
        }
        Run::Write(run) => return change(ask, operation, run),
    }
    Ok(xml.into_string())
}

/// How often a write is tried when others commit in between.
const ATTEMPTS: usize = 16;

type Write = fn(&Ask<'_>, &mut Iam, &mut Xml) -> Result<(), ApiError>;

/// Changes a copy without holding the account, then puts it in place if
/// nobody was faster.
fn change(ask: &Ask<'_>, operation: &Operation, run: Write) -> Result<String, ApiError> {
    for _ in 0..ATTEMPTS {
        let look = ask
            .world
            .with_cell(ask.account, |cell| (Arc::clone(cell.latest()), cell.writes));
        let (before, writes) = look.unwrap_or_default();
        permit::permit(ask, operation, &before)?;
        let mut after = Iam::clone(&before);
        let mut xml = Xml::with_capacity(1_024);
        run(ask, &mut after, &mut xml)?;
        if ask.pretend {
            return Ok(xml.into_string());
        }
        let after = Arc::new(after);
        let entity = operation
            .subject
            .name(ask)
            .map_or(ask.ordinal, |name| word(&name.to_ascii_lowercase()));
        let until = World::until(ask.now, ask.delay);
        let committed = ask.world.with_cell(ask.account, |cell| {
            if cell.writes != writes {
                return Ok(false);
            }
            if !cell.claim(entity, ask.now, until) {
                return Err(concurrent());
            }
            cell.commit(Arc::clone(&after), ask.world.settings.stale, ask.now);
            Ok(true)
        });
        if committed.unwrap_or(Ok(true))? {
            ask.world.history.record(ask, &before, &after);
            ask.world.tell(|| News::of_call(ask));
            return Ok(xml.into_string());
        }
    }
    Err(concurrent())
}

fn concurrent() -> ApiError {
    ApiError::new(
        409,
        "ConcurrentModification",
        "Multiple requests to modify this object were submitted simultaneously. Wait a few minutes and submit your request again.",
    )
}
