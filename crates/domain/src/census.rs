//! Can a listing of the organization be trusted?

use crate::account::Census;
use crate::fault::{Category, Fault};
use crate::limits;

/// How much smaller than the last one a listing may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CensusLimits {
    /// The share of the last trusted listing that must still be there, 0 to 1.
    pub smallest_share: f64,
    /// Losing this many accounts or fewer is never suspect.
    pub loss_never_suspect: u64,
}

impl Default for CensusLimits {
    fn default() -> Self {
        Self {
            smallest_share: limits::CENSUS_SMALLEST_SHARE,
            loss_never_suspect: limits::CENSUS_LOSS_NEVER_SUSPECT,
        }
    }
}

/// Judges a listing, given the size of the last trusted one.
///
/// An inventory that is empty, partial, or sharply smaller is a failure of the sweep: it is
/// far more often a broken listing than a company that closed its accounts, and
/// "nothing to do" would hide both.
///
/// # Errors
///
/// Why the listing cannot be trusted.
pub fn judge_census(
    previous: Option<u64>,
    census: &Census,
    limits: &CensusLimits,
) -> Result<(), Fault> {
    match census {
        Census::Whole(accounts) => judge_listing(previous, accounts.len() as u64, None, limits),
        Census::Partial { accounts, unread } => {
            judge_listing(previous, accounts.len() as u64, Some(unread), limits)
        }
    }
}

/// Judges a listing that was streamed: by how many accounts were `found`, and why the rest was
/// not read. See [`judge_census`].
///
/// # Errors
///
/// Why the listing cannot be trusted.
pub fn judge_listing(
    previous: Option<u64>,
    found: u64,
    unread: Option<&Fault>,
    limits: &CensusLimits,
) -> Result<(), Fault> {
    if let Some(unread) = unread {
        let message = format!(
            "the listing of accounts broke off after {found} of them: {}",
            unread.message
        );
        return Err(Fault {
            message,
            ..unread.clone()
        });
    }
    if found == 0 {
        return Err(Fault::new(
            Category::Service,
            "Organizations listed no account at all, not even the management account",
        ));
    }
    let Some(previous) = previous else {
        return Ok(());
    };
    let lost = previous.saturating_sub(found);
    if lost > limits.loss_never_suspect && share(found, previous) < limits.smallest_share {
        return Err(Fault::new(
            Category::Service,
            format!(
                "Organizations listed {found} accounts where the last listing had {previous}: \
                 no account is taken for gone on the strength of that"
            ),
        ));
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an organization has at most 50,000 accounts"
)]
fn share(found: u64, previous: u64) -> f64 {
    found as f64 / previous as f64
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::account::{Account, AccountState, OuPath};

    #[track_caller]
    fn check(previous: Option<u64>, found: u64, broken: bool, expected: &Expect) {
        let accounts = (0..found)
            .map(|number| Account {
                id: format!("{number:012}").parse().expect("twelve digits"),
                name: String::new(),
                state: AccountState::Active,
                path: OuPath::default(),
                is_management: false,
                tags: Vec::new(),
            })
            .collect();
        let census = if broken {
            Census::Partial {
                accounts,
                unread: Fault::new(Category::Throttled, "Rate exceeded"),
            }
        } else {
            Census::Whole(accounts)
        };
        let said = match judge_census(previous, &census, &CensusLimits::default()) {
            Ok(()) => "trusted".to_owned(),
            Err(fault) => format!("{}: {fault}", fault.category),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn a_listing_is_trusted_when_it_is_whole_and_not_sharply_smaller() {
        check(Some(100), 100, false, &expect!["trusted"]);
        check(None, 1, false, &expect!["trusted"]);
        check(Some(100), 250, false, &expect!["trusted"]);
        check(Some(100), 50, false, &expect!["trusted"]);
        check(Some(3), 1, false, &expect!["trusted"]);
    }

    #[test]
    fn an_empty_partial_or_shrunken_listing_fails_the_sweep() {
        check(
            None,
            0,
            false,
            &expect![
                "service: Organizations listed no account at all, not even the management account"
            ],
        );
        check(
            Some(100),
            49,
            false,
            &expect![
                "service: Organizations listed 49 accounts where the last listing had 100: no account is taken for gone on the strength of that"
            ],
        );
        check(
            Some(4),
            1,
            false,
            &expect![
                "service: Organizations listed 1 accounts where the last listing had 4: no account is taken for gone on the strength of that"
            ],
        );
        check(
            Some(100),
            99,
            true,
            &expect![
                "throttled: the listing of accounts broke off after 99 of them: Rate exceeded"
            ],
        );
    }
}
