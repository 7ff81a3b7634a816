//! Conditions: operators, set qualifiers, and when they hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::pattern::{Pattern, Place, Variables};

/// `ForAllValues:` and `ForAnyValue:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantifier {
    /// No qualifier: the key has one value.
    One,
    /// Each of the request's values must pass; none passes too.
    All,
    /// At least one of the request's values must pass.
    Any,
}

/// What an operator compares, without its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// `StringEquals`.
    StringEquals,
    /// `StringEqualsIgnoreCase`.
    StringEqualsIgnoreCase,
    /// `StringLike`.
    StringLike,
    /// `NumericEquals`.
    NumericEquals,
    /// `NumericLessThan`.
    NumericLess,
    /// `NumericLessThanEquals`.
    NumericLessEqual,
    /// `NumericGreaterThan`.
    NumericGreater,
    /// `NumericGreaterThanEquals`.
    NumericGreaterEqual,
    /// `DateEquals`.
    DateEquals,
    /// `DateLessThan`.
    DateLess,
    /// `DateLessThanEquals`.
    DateLessEqual,
    /// `DateGreaterThan`.
    DateGreater,
    /// `DateGreaterThanEquals`.
    DateGreaterEqual,
    /// `Bool`.
    Bool,
    /// `BinaryEquals`.
    Binary,
    /// `IpAddress`.
    IpAddress,
    /// `ArnEquals` and `ArnLike`, which AWS documents as the same.
    Arn,
    /// `Null`.
    Null,
}

/// A condition operator, free of spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    /// The set qualifier.
    pub quantifier: Quantifier,
    /// What is compared.
    pub test: Test,
    /// `…Not…`: holds when the comparison does not.
    pub negated: bool,
    /// `…IfExists`: holds when the request lacks the key.
    pub if_exists: bool,
}

/// Every operator's name, what it tests and whether it negates. The first
/// name of two that mean the same is the one shown.
pub(super) const OPERATORS: [(&str, Test, bool); 27] = [
    ("StringEquals", Test::StringEquals, false),
    ("StringNotEquals", Test::StringEquals, true),
    ("StringEqualsIgnoreCase", Test::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Test::StringEqualsIgnoreCase, true),
    ("StringLike", Test::StringLike, false),
    ("StringNotLike", Test::StringLike, true),
    ("NumericEquals", Test::NumericEquals, false),
    ("NumericNotEquals", Test::NumericEquals, true),
    ("NumericLessThan", Test::NumericLess, false),
    ("NumericLessThanEquals", Test::NumericLessEqual, false),
    ("NumericGreaterThan", Test::NumericGreater, false),
    ("NumericGreaterThanEquals", Test::NumericGreaterEqual, false),
    ("DateEquals", Test::DateEquals, false),
    ("DateNotEquals", Test::DateEquals, true),
    ("DateLessThan", Test::DateLess, false),
    ("DateLessThanEquals", Test::DateLessEqual, false),
    ("DateGreaterThan", Test::DateGreater, false),
    ("DateGreaterThanEquals", Test::DateGreaterEqual, false),
    ("Bool", Test::Bool, false),
    ("BinaryEquals", Test::Binary, false),
    ("IpAddress", Test::IpAddress, false),
    ("NotIpAddress", Test::IpAddress, true),
    ("ArnLike", Test::Arn, false),
    ("ArnNotLike", Test::Arn, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("Null", Test::Null, false),
];

impl Operator {
    /// Reads an operator's name, without regard to case.
    pub(super) fn read(name: &str) -> Option<Operator> {
        let (quantifier, rest) = match name.split_once(':') {
            Some((q, rest)) if q.eq_ignore_ascii_case("ForAllValues") => (Quantifier::All, rest),
            Some((q, rest)) if q.eq_ignore_ascii_case("ForAnyValue") => (Quantifier::Any, rest),
            Some(_) => return None,
            None => (Quantifier::One, name),
        };
        let (rest, if_exists) = match strip_suffix_no_case(rest, "IfExists") {
            Some(shorter) => (shorter, true),
            None => (rest, false),
        };
        let (_, test, negated) = OPERATORS.iter().find(|(n, _, _)| n.eq_ignore_ascii_case(rest))?;
        // `Null` asks for existence itself: IAM refuses NullIfExists.
        if *test == Test::Null && if_exists {
            return None;
        }
        Some(Operator { quantifier, test: *test, negated: *negated, if_exists })
    }
}

fn strip_suffix_no_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let tail = text.get(at..)?;
    if tail.eq_ignore_ascii_case(suffix) { text.get(..at) } else { None }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.quantifier {
            Quantifier::One => "",
            Quantifier::All => "ForAllValues:",
            Quantifier::Any => "ForAnyValue:",
        })?;
        let name = OPERATORS.iter().find(|(_, t, n)| *t == self.test && *n == self.negated);
        f.write_str(name.map_or("", |(n, _, _)| n))?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

/// One operator, one key, its values: the conditions of a statement are all
/// of these together.
#[derive(Clone, Debug)]
pub struct Condition {
    operator: Operator,
    key: String,
    key_lower: String,
    values: Vec<String>,
    compiled: Vec<Value>,
}

/// A condition value, ready to compare.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Pattern(Pattern),
    /// A number or a date in billionths (of one, of a second).
    Number(i128),
    Network(Network),
    /// `true` or `false`, for `Null`.
    Flag(bool),
    /// What the operator cannot use; it matches nothing.
    Unusable,
}

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) v6: bool,
    pub(super) first: u128,
    pub(super) last: u128,
}

impl Condition {
    /// A condition with its values in the author's order.
    pub(super) fn new(operator: Operator, key: &str, values: Vec<String>, variables: bool) -> Condition {
        let compiled = values.iter().map(|v| Value::read(v, operator.test, variables)).collect();
        Condition { operator, key: key.to_owned(), key_lower: key.to_lowercase(), values, compiled }
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The context key as its author wrote it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The context key in lower case: keys have no case.
    pub fn key_lower(&self) -> &str {
        &self.key_lower
    }

    /// The values as written.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    pub(super) fn compiled(&self) -> &[Value] {
        &self.compiled
    }

    /// Whether the condition holds for a request whose key has these values
    /// (`None` or none at all: the key is missing).
    pub(super) fn holds(&self, given: Option<&[String]>, variables: &dyn Variables) -> bool {
        let given = given.unwrap_or_default();
        let op = self.operator;
        if op.test == Test::Null {
            let absent = given.is_empty();
            return self.compiled.iter().any(|v| matches!(v, Value::Flag(f) if *f == absent));
        }
        if given.is_empty() {
            return op.if_exists
                || match op.quantifier {
                    Quantifier::One => op.negated,
                    Quantifier::All => true,
                    Quantifier::Any => false,
                };
        }
        let passes = |value: &String| self.compares(value, variables) != op.negated;
        match op.quantifier {
            Quantifier::All => given.iter().all(passes),
            Quantifier::Any => given.iter().any(passes),
            Quantifier::One if op.negated => given.iter().all(passes),
            Quantifier::One => given.iter().any(passes),
        }
    }

    fn compares(&self, given: &str, variables: &dyn Variables) -> bool {
        self.compiled.iter().any(|value| value.compares(self.operator.test, given, variables))
    }
}

impl Value {
    fn read(text: &str, test: Test, variables: bool) -> Value {
        let pattern = |place| Value::Pattern(Pattern::new(text, place, variables));
        match test {
            Test::StringEquals | Test::Binary => pattern(Place::Exact),
            Test::StringEqualsIgnoreCase | Test::Bool => pattern(Place::ExactNoCase),
            Test::StringLike => pattern(Place::Like),
            Test::Arn => pattern(Place::Arn),
            Test::NumericEquals
            | Test::NumericLess
            | Test::NumericLessEqual
            | Test::NumericGreater
            | Test::NumericGreaterEqual => number(text).map_or(Value::Unusable, Value::Number),
            Test::DateEquals | Test::DateLess | Test::DateLessEqual | Test::DateGreater | Test::DateGreaterEqual => {
                date(text).map_or(Value::Unusable, Value::Number)
            }
            Test::IpAddress => Network::read(text).map_or(Value::Unusable, Value::Network),
            Test::Null => match text.to_ascii_lowercase().as_str() {
                "true" => Value::Flag(true),
                "false" => Value::Flag(false),
                _ => Value::Unusable,
            },
        }
    }

    fn compares(&self, test: Test, given: &str, variables: &dyn Variables) -> bool {
        match self {
            Value::Pattern(pattern) => pattern.matches(given, variables),
            Value::Network(network) => Network::read(given).is_some_and(|n| network.holds(&n)),
            Value::Number(wanted) => {
                let given = if test.is_date() { date(given) } else { number(given) };
                given.is_some_and(|given| test.orders(given, *wanted))
            }
            Value::Flag(_) | Value::Unusable => false,
        }
    }
}

impl Test {
    pub(super) fn is_date(self) -> bool {
        matches!(
            self,
            Test::DateEquals | Test::DateLess | Test::DateLessEqual | Test::DateGreater | Test::DateGreaterEqual
        )
    }

    fn orders(self, given: i128, wanted: i128) -> bool {
        match self {
            Test::NumericEquals | Test::DateEquals => given == wanted,
            Test::NumericLess | Test::DateLess => given < wanted,
            Test::NumericLessEqual | Test::DateLessEqual => given <= wanted,
            Test::NumericGreater | Test::DateGreater => given > wanted,
            Test::NumericGreaterEqual | Test::DateGreaterEqual => given >= wanted,
            _ => false,
        }
    }
}

impl Network {
    /// Reads an address or a range in CIDR notation.
    pub(super) fn read(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let (v6, bits, address) = match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(a) => (false, 32, u128::from(u32::from(a))),
            IpAddr::V6(a) => (true, 128, u128::from(a)),
        };
        let free = bits - length.filter(|l| *l <= bits).or(if length.is_none() { Some(bits) } else { None })?;
        let mask = 1u128.checked_shl(free).map_or(u128::MAX, |m| m - 1);
        Some(Network { v6, first: address & !mask, last: address | mask })
    }

    fn holds(&self, other: &Network) -> bool {
        self.v6 == other.v6 && self.first <= other.first && other.last <= self.last
    }
}

/// A decimal number in billionths; digits beyond the ninth are dropped.
pub(super) fn number(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !plain(whole) || !plain(part) || whole.len() > 24 {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(9).collect();
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let value = whole * 1_000_000_000 + part.parse::<i128>().ok()?;
    Some(if negative { -value } else { value })
}

/// A date in billionths of a second since 1970: ISO 8601 in its W3C profile,
/// or seconds since the epoch.
pub(super) fn date(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Some(seconds) = number(text)
        && text.len() > 4
    {
        return Some(seconds);
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_nanosecond());
    }
    let whole_day = match text.len() {
        4 => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ => return None,
    };
    whole_day.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
}

/// The context of a request: keys without case, each with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionContext(BTreeMap<String, Vec<String>>);

impl ConditionContext {
    /// A context without keys.
    pub fn new() -> ConditionContext {
        ConditionContext::default()
    }

    /// Gives `key` one value, whatever it had.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_lowercase(), vec![value.into()]);
    }

    /// Gives `key` several values, whatever it had.
    pub fn set_many<T: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.0.insert(key.to_lowercase(), values.into_iter().map(Into::into).collect());
    }

    /// The same with one more key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> ConditionContext {
        self.set(key, value);
        self
    }

    /// The values of a key, in whatever case it is asked for.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        let found = self.0.get(key).or_else(|| self.0.get(&key.to_lowercase()));
        found.map(Vec::as_slice)
    }

    /// Every key (in lower case) with its values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }
}

impl Variables for ConditionContext {
    fn variable(&self, key: &str) -> Option<Cow<'_, str>> {
        match self.get(key) {
            Some([one]) => Some(Cow::Borrowed(one.as_str())),
            _ => None,
        }
    }
}
