//! Changes that nobody asked for: accounts close, move and appear.

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::{AccountId, AccountState};

use crate::organizations::tree::Member;
use crate::seed::{below, mix, unit, word};
use crate::sqs::News;
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
                let account = self.somebody(draw("who"));
                if let Some(account) = account {
                    self.set_state(account, AccountState::Closed);
                }
            }
            _ => {
                let units = read(&self.tree).units.len();
                let unit = u32::try_from(below(draw("where"), units)).unwrap_or(0);
                let account = self.somebody(draw("who"));
                if let Some(account) = account {
                    let put = |member: &mut Member| member.parent = unit;
                    write(&self.tree).member_mut(account).map(put);
                    self.tell(|| News::Moved(account));
                }
            }
        }
    }

    /// A member account; never the management account.
    fn somebody(&self, draw: u64) -> Option<AccountId> {
        let tree = read(&self.tree);
        let index = 1 + below(draw, tree.members.len().saturating_sub(1));
        tree.members.get(index).map(|member| member.id)
    }
}
