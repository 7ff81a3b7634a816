//! How far the rotation of an external id has come, from what was seen in the accounts alone.

use std::collections::BTreeMap;

use super::rotation::{RotationGoal, Sight, Standing};
use crate::account::AccountId;

/// What is to be done next. Each is told by what the accounts show, so that a rotation that was
/// interrupted goes on where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RotationStep {
    /// A repair lets every account accept the next id beside the present one.
    Add,
    /// A person gives the next id to whoever assumes the role.
    HandOver,
    /// A repair takes the present id out.
    Drop,
    /// A person makes the next id the present one in the configuration.
    Finish,
}

impl RotationStep {
    /// Every step, in order.
    pub const ALL: [Self; 4] = [Self::Add, Self::HandOver, Self::Drop, Self::Finish];

    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::HandOver => "hand_over",
            Self::Drop => "drop",
            Self::Finish => "finish",
        }
    }
}

/// The accounts of one rotation, by how they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Accounts in which the role was seen.
    pub seen: BTreeMap<Standing, Vec<AccountId>>,
    /// Accounts without the role.
    pub no_role: Vec<AccountId>,
    /// Accounts that could not be looked at, and why.
    pub unseen: Vec<(AccountId, String)>,
}

impl Progress {
    /// Counts one account.
    pub fn count(&mut self, account: AccountId, sight: Sight) {
        match sight {
            Sight::Stands(standing) => self.seen.entry(standing).or_default().push(account),
            Sight::NoRole => self.no_role.push(account),
            Sight::Unseen(why) => self.unseen.push((account, why)),
        }
    }

    /// The accounts that stand so.
    pub fn standing(&self, standing: Standing) -> &[AccountId] {
        self.seen.get(&standing).map_or(&[], Vec::as_slice)
    }

    /// All accounts that are meant.
    pub fn accounts(&self) -> usize {
        let seen: usize = self.seen.values().map(Vec::len).sum();
        seen + self.no_role.len() + self.unseen.len()
    }

    /// The accounts in which the next id is not seen to be accepted.
    pub fn lagging(&self) -> usize {
        let behind = self
            .seen
            .iter()
            .filter(|(standing, _)| !standing.admits_next());
        let behind: usize = behind.map(|(_, accounts)| accounts.len()).sum();
        behind + self.no_role.len() + self.unseen.len()
    }

    /// The accounts in which the present id is seen to be accepted.
    pub fn still_present(&self) -> usize {
        let present = self
            .seen
            .iter()
            .filter(|(standing, _)| standing.admits_present());
        present.map(|(_, accounts)| accounts.len()).sum()
    }

    /// What is to be done next on the way to `goal`.
    pub fn step(&self, goal: RotationGoal) -> RotationStep {
        match goal {
            RotationGoal::Both if self.lagging() > 0 => RotationStep::Add,
            RotationGoal::Both => RotationStep::HandOver,
            RotationGoal::NextOnly if self.lagging() > 0 || self.still_present() > 0 => {
                RotationStep::Drop
            }
            RotationGoal::NextOnly => RotationStep::Finish,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    fn progress(rows: &[(Sight, u32)]) -> Progress {
        let mut progress = Progress::default();
        for (sight, accounts) in rows {
            for _ in 0..*accounts {
                progress.count("123456789012".parse().unwrap(), sight.clone());
            }
        }
        progress
    }

    #[test]
    fn the_next_step_follows_from_what_is_seen() {
        use RotationGoal::{Both, NextOnly};
        let stands = Sight::Stands;
        let unseen = || Sight::Unseen("denied".to_owned());
        let rows = [
            (vec![], Both, RotationStep::HandOver),
            (vec![], NextOnly, RotationStep::Finish),
            (
                vec![(stands(Standing::PresentOnly), 3)],
                Both,
                RotationStep::Add,
            ),
            (
                vec![
                    (stands(Standing::PresentOnly), 1),
                    (stands(Standing::Both), 2),
                ],
                Both,
                RotationStep::Add,
            ),
            (
                vec![(stands(Standing::Both), 2), (unseen(), 1)],
                Both,
                RotationStep::Add,
            ),
            (
                vec![(stands(Standing::Both), 2), (Sight::NoRole, 1)],
                Both,
                RotationStep::Add,
            ),
            (
                vec![(stands(Standing::Neither), 1)],
                Both,
                RotationStep::Add,
            ),
            (
                vec![(stands(Standing::Both), 3)],
                Both,
                RotationStep::HandOver,
            ),
            (
                vec![(stands(Standing::Both), 3)],
                NextOnly,
                RotationStep::Drop,
            ),
            (
                vec![(stands(Standing::Both), 1), (stands(Standing::NextOnly), 2)],
                NextOnly,
                RotationStep::Drop,
            ),
            (
                vec![(stands(Standing::NextOnly), 2), (unseen(), 1)],
                NextOnly,
                RotationStep::Drop,
            ),
            (
                vec![(stands(Standing::NextOnly), 3)],
                NextOnly,
                RotationStep::Finish,
            ),
        ];
        for (seen, goal, expected) in rows {
            let progress = progress(&seen);
            assert_eq!(progress.step(goal), expected, "{progress:?} {goal:?}");
            let accounts: u32 = seen.iter().map(|(_, accounts)| accounts).sum();
            assert_eq!(progress.accounts(), accounts as usize);
        }
    }
}
