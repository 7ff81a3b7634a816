//! Somebody who changes things in the demo's accounts, so that there is something to see.

use std::convert::Infallible;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rolekeeper_domain::account::AccountId;
use rolekeeper_simulator::{Drift, World};

use crate::wall_clock::pause;

/// Between two changes: seldom enough that an audit comes in between.
const BETWEEN: Duration = Duration::from_secs(40);

/// Changes an account every now and then, and tells of it.
pub(crate) async fn haunt(world: &World, seed: u64, told: impl Fn(AccountId, Drift)) -> Infallible {
    let mut random = StdRng::seed_from_u64(seed);
    loop {
        pause(BETWEEN).await;
        let accounts = world.reachable();
        let chosen = accounts
            .choose(&mut random)
            .zip(Drift::visible().choose(&mut random));
        if let Some((account, drift)) = chosen
            && world.plant(*account, *drift)
        {
            told(*account, *drift);
        }
    }
}
