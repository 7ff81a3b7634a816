//! Values of a context key that stand for all values it can have.

use std::collections::BTreeSet;

use super::condition::{Condition, Value};
use super::operator::{Quantifier, Test};
use super::pattern::{Pattern, Place, Token};
use super::quantity::Network;
use super::witness::{Witnesses, witnesses};

/// Up to this many different values every set of them is looked at.
const MAX_VALUES_IN_SETS: usize = 8;

/// Keys that a request can give several values.
const SEVERAL: [&str; 6] = [
    "aws:tagkeys",
    "aws:calledvia",
    "aws:principalorgpaths",
    "aws:resourceorgpaths",
    "aws:sourceorgpaths",
    "aws:principalservicenameslist",
];

/// What a key can hold in a request: nothing, one value, several.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    pub(super) values: Vec<Vec<String>>,
    pub(super) complete: bool,
}

/// Sorts of comparison that need values of different sorts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Text,
    Truth,
    Number,
    Date,
    Address,
}

/// Candidates for a key, from all conditions on it. `also` are patterns whose
/// texts must be told apart too.
pub(super) fn candidates(
    key: &str,
    conditions: &[&Condition],
    tokens_of: &dyn Fn(&Pattern) -> Vec<Token>,
    also: &[Pattern],
) -> Candidates {
    let sorts: BTreeSet<Sort> = conditions
        .iter()
        .filter_map(|c| sort(c.operator().test))
        .collect();
    let mut complete =
        sorts.len() <= 1 || sorts.iter().all(|s| matches!(s, Sort::Text | Sort::Truth));
    let usable = |c: &&Condition| c.compiled().iter().all(|v| !matches!(v, Value::Unusable));
    complete &= conditions.iter().all(usable);
    let mut singles: Vec<String> = Vec::new();
    for sort_here in &sorts {
        let values = conditions
            .iter()
            .filter(|c| sort(c.operator().test) == Some(*sort_here));
        let values = values.flat_map(|c| c.compiled());
        match sort_here {
            Sort::Truth if sorts.len() == 1 => {
                singles.extend(["true".to_owned(), "false".to_owned()])
            }
            Sort::Truth | Sort::Text => {
                let patterns = values.filter_map(|v| {
                    if let Value::Pattern(p) = v {
                        Some(p)
                    } else {
                        None
                    }
                });
                let mut lists: Vec<Vec<Token>> = patterns.map(tokens_of).collect();
                lists.extend(also.iter().map(tokens_of));
                let universe = universe(key);
                let universe: Vec<&[Token]> = universe.iter().map(Pattern::tokens).collect();
                let Witnesses {
                    texts,
                    complete: whole,
                    ..
                } = witnesses(&lists, &universe);
                singles.extend(texts);
                complete &= whole;
            }
            Sort::Number | Sort::Date => {
                let points = values.filter_map(|v| {
                    if let Value::Number(n) = v {
                        Some(*n)
                    } else {
                        None
                    }
                });
                let spell = if *sort_here == Sort::Date {
                    spell_date
                } else {
                    spell_number
                };
                singles.extend(around(points).into_iter().filter_map(spell));
            }
            Sort::Address => {
                let ranges = values.filter_map(|v| {
                    if let Value::Network(n) = v {
                        Some(*n)
                    } else {
                        None
                    }
                });
                singles.extend(addresses(ranges.collect()));
            }
        }
    }
    if sorts.is_empty() {
        singles.push("x".to_owned());
    }
    singles.sort();
    singles.dedup();
    let several = SEVERAL.contains(&key)
        || conditions
            .iter()
            .any(|c| c.operator().quantifier != Quantifier::One);
    let mut values = vec![Vec::new()];
    if several {
        complete &= singles.len() <= MAX_VALUES_IN_SETS;
        values.extend(sets(&singles));
    } else {
        values.extend(singles.into_iter().map(|v| vec![v]));
    }
    Candidates { values, complete }
}

fn sort(test: Test) -> Option<Sort> {
    match test {
        Test::StringEquals
        | Test::StringEqualsIgnoreCase
        | Test::StringLike
        | Test::Binary
        | Test::Arn => Some(Sort::Text),
        Test::Bool => Some(Sort::Truth),
        Test::IpAddress => Some(Sort::Address),
        Test::Null => None,
        test if test.is_date() => Some(Sort::Date),
        _ => Some(Sort::Number),
    }
}

/// All sets of a few values; of many the single ones, the pairs and the whole.
fn sets(singles: &[String]) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    if singles.len() <= MAX_VALUES_IN_SETS {
        for mask in 1u32..(1 << singles.len()) {
            let chosen = singles
                .iter()
                .enumerate()
                .filter(|(n, _)| mask & (1 << n) != 0);
            out.push(chosen.map(|(_, v)| v.clone()).collect());
        }
        return out;
    }
    const SHOWN: usize = 64;
    let few: Vec<&String> = singles.iter().take(SHOWN).collect();
    for (n, one) in few.iter().enumerate() {
        out.push(vec![(*one).clone()]);
        out.extend(
            few.iter()
                .skip(n + 1)
                .map(|two| vec![(*one).clone(), (*two).clone()]),
        );
    }
    out.push(singles.to_vec());
    out
}

/// Each point and its neighbors: between two points nothing changes.
fn around(points: impl Iterator<Item = i128>) -> BTreeSet<i128> {
    points.flat_map(|p| [p - 1, p, p + 1]).collect()
}

fn spell_number(value: i128) -> Option<String> {
    const UNIT: u128 = 1_000_000_000;
    let size = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    Some(format!("{sign}{}.{:09}", size / UNIT, size % UNIT))
}

fn spell_date(value: i128) -> Option<String> {
    jiff::Timestamp::from_nanosecond(value)
        .ok()
        .map(|t| t.to_string())
}

/// The ends of each range and the addresses just outside, in both families.
fn addresses(ranges: Vec<Network>) -> Vec<String> {
    let mut points: BTreeSet<(bool, u128)> = BTreeSet::from([(false, 0), (true, 0)]);
    for range in ranges {
        points.insert((range.v6, range.first));
        points.insert((range.v6, range.last));
        points.extend(range.first.checked_sub(1).map(|p| (range.v6, p)));
        points.extend(range.last.checked_add(1).map(|p| (range.v6, p)));
    }
    let spell = |(v6, point): (bool, u128)| {
        if v6 {
            Some(std::net::Ipv6Addr::from(point).to_string())
        } else {
            u32::try_from(point)
                .ok()
                .map(|p| std::net::Ipv4Addr::from(p).to_string())
        }
    };
    points.into_iter().filter_map(spell).collect()
}

/// What a key can hold at all, where AWS says so; empty for anything.
fn universe(key: &str) -> Vec<Pattern> {
    let shapes: &[&str] = match key {
        "aws:principalaccount" => &["????????????"],
        "aws:principalarn" => &[
            "arn:aws*:iam::????????????:role/?*",
            "arn:aws*:iam::????????????:user/?*",
            "arn:aws*:iam::????????????:root",
            "arn:aws*:sts::????????????:federated-user/?*",
        ],
        _ => &[],
    };
    shapes
        .iter()
        .map(|s| Pattern::new(s, Place::Arn, false))
        .collect()
}

/// A pattern for the ARNs of one account's users and roles.
pub(super) fn arns_of(account: &str) -> Pattern {
    Pattern::new(&format!("arn:*:*:*:{account}:*"), Place::Arn, false)
}
