//! What a repair would meet before it meets AWS: who writes, and whether somebody has agreed.

use std::collections::BTreeSet;

use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::store::{Control as _, Lease as _};
use rolekeeper_store::Store;

use super::lines::Lines;
use crate::config::Config;
use crate::failure::Failure;
use crate::report::accounts;
use crate::wall_clock::time_of_day;

pub(super) async fn look(
    config: &Config,
    store: &Store,
    lines: &mut Lines<'_>,
) -> Result<(), Failure> {
    let now = time_of_day();
    if let Some((holder, until)) = store.holder().await?
        && now < until
    {
        let words = format!(
            "{holder} is the one that writes, until {until} at least; `apply`, `rollback` and `retire-user` end while it does"
        );
        lines.ok("lease", &words)?;
    }
    for (sweep, changes) in store.awaiting_approval().await? {
        let words = format!("sweep {sweep} waits; it would change {}", accounts(changes));
        let remedy = format!("`rolekeeper approve {sweep}` lets it go on");
        lines.warning("approval", &words, &remedy)?;
    }
    if config.schedule.mode != Mode::Repair {
        return Ok(());
    }
    if config.rollout.approve_widening {
        let agreed = store.agreed_specs().await?;
        let agreed: BTreeSet<&RoleName> = agreed.iter().map(|spec| &spec.role).collect();
        let roles = config.roles.iter().map(|role| &role.entry.name);
        let new: Vec<String> = roles
            .filter(|role| !agreed.contains(role))
            .map(ToString::to_string)
            .collect();
        if !new.is_empty() {
            let words = format!(
                "nobody has agreed to the specification of {} yet: the first repair waits for a person's word, and \
                 events give it to no account until then",
                new.join(", ")
            );
            let remedy = "answer `rolekeeper apply`, or `rolekeeper approve` when the daemon waits";
            lines.warning("agreement", &words, remedy)?;
        }
    }
    lines.ok(
        "writes",
        "are not tried here: the canary of the first repair does, and a denied call names the statement that is missing; \
         `rolekeeper iam-policy admin` prints all that the admin role needs",
    )
}
