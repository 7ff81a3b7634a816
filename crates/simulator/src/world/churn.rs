//! Changes that nobody asked for: accounts close, move and appear.

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountState;

use crate::seed::{below, mix, unit, word};
use crate::world::{World, lock, read, write};

/// When the next change is due.
#[derive(Debug, Default)]
pub(super) struct Churn {
    next: Option<Timestamp>,
    done: u64,
}

impl World {
    /// Lets happen what is due by `now`.
    pub(super) fn churn(&self, now: Timestamp) {
        if self.settings.churn.is_zero() {
            return;
        }
        let mut churn = lock(&self.churn);
        while churn.next.is_none_or(|next| next <= now) {
            if churn.next.is_some() {
                self.happen(churn.done);
            }
            let draw = unit(mix(self.settings.seed, &[word("churn"), churn.done]));
            // Evenly between half and one and a half of the mean.
            let wait = self.settings.churn.mul_f64(0.5 + draw);
            let wait = SignedDuration::try_from(wait).unwrap_or_default();
            churn.next = churn.next.unwrap_or(now).checked_add(wait).ok();
            churn.done += 1;
            if churn.next.is_none() {
                return;
            }
        }
    }

    fn happen(&self, number: u64) {
        let draw = |what: &str| mix(self.settings.seed, &[word(what), number]);
        match draw("what") % 4 {
            0 => {
                self.add_account(&format!("newcomer-{number:04}"));
            }
            1 => {
                let mut tree = write(&self.tree);
                let members = tree.members.len();
                // The management account, at 0, stays.
                let index = 1 + below(draw("who"), members.saturating_sub(1));
                if let Some(member) = tree.members.get_mut(index) {
                    member.state = AccountState::Closed;
                }
                tree.generation += 1;
            }
            _ => {
                let units = read(&self.tree).units.len();
                let mut tree = write(&self.tree);
                let members = tree.members.len();
                let index = 1 + below(draw("who"), members.saturating_sub(1));
                let unit = u32::try_from(below(draw("where"), units)).unwrap_or(0);
                if let Some(member) = tree.members.get_mut(index) {
                    member.parent = unit;
                }
                tree.generation += 1;
            }
        }
    }
}
