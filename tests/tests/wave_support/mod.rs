//! Whether accounts were written to wave by wave, as the world saw it.

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::{Access, Operation};
use rolekeeper_simulator::Entry;

/// What happened before its turn, in words: of the accounts in the order in which they were written to first,
/// the waves of these `sizes` were each written to and looked at to the end before the next was begun.
pub(crate) fn out_of_turn(calls: &[Entry], sizes: &[usize]) -> Option<String> {
    let written: Vec<(usize, AccountId)> = calls
        .iter()
        .enumerate()
        .filter(|(_, call)| access(call) == Some(Access::Write))
        .filter_map(|(at, call)| Some((at, call.account?)))
        .collect();
    let mut begun: Vec<(usize, AccountId)> = Vec::new();
    for (at, account) in &written {
        if begun.iter().all(|(_, other)| other != account) {
            begun.push((*at, *account));
        }
    }
    let all: usize = sizes.iter().sum();
    if begun.len() != all {
        return Some(format!(
            "{} accounts were written to, not {all}",
            begun.len()
        ));
    }
    let mut rest = begun.as_slice();
    for (number, size) in sizes.iter().enumerate() {
        let (wave, later) = rest.split_at(*size);
        let Some((next, _)) = later.first() else {
            break;
        };
        for (_, account) in wave {
            let of_it = written.iter().filter(|(_, other)| other == account);
            let last = of_it.map(|(at, _)| *at).max().unwrap_or_default();
            let looked = calls.iter().enumerate().any(|(at, call)| {
                let between = last < at && at < *next;
                between && call.account == Some(*account) && access(call) == Some(Access::Read)
            });
            if !looked {
                return Some(format!(
                    "wave {} was over before {account} of it was done and looked at",
                    number + 1
                ));
            }
        }
        rest = later;
    }
    None
}

fn access(call: &Entry) -> Option<Access> {
    Operation::from_action(&format!("iam:{}", call.operation)).map(Operation::access)
}
