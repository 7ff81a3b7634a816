//! Condition operators and their names.

use std::fmt;

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
    (
        "StringEqualsIgnoreCase",
        Test::StringEqualsIgnoreCase,
        false,
    ),
    (
        "StringNotEqualsIgnoreCase",
        Test::StringEqualsIgnoreCase,
        true,
    ),
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
        let (_, test, negated) = OPERATORS
            .iter()
            .find(|(n, _, _)| n.eq_ignore_ascii_case(rest))?;
        // `Null` asks for existence itself: IAM refuses NullIfExists.
        if *test == Test::Null && if_exists {
            return None;
        }
        Some(Operator {
            quantifier,
            test: *test,
            negated: *negated,
            if_exists,
        })
    }
}

fn strip_suffix_no_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let tail = text.get(at..)?;
    if tail.eq_ignore_ascii_case(suffix) {
        text.get(..at)
    } else {
        None
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.quantifier {
            Quantifier::One => "",
            Quantifier::All => "ForAllValues:",
            Quantifier::Any => "ForAnyValue:",
        })?;
        let name = OPERATORS
            .iter()
            .find(|(_, t, n)| *t == self.test && *n == self.negated);
        f.write_str(name.map_or("", |(n, _, _)| n))?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

impl Test {
    pub(super) fn is_date(self) -> bool {
        matches!(
            self,
            Test::DateEquals
                | Test::DateLess
                | Test::DateLessEqual
                | Test::DateGreater
                | Test::DateGreaterEqual
        )
    }

    /// Whether a number or date in a request passes against one in a policy.
    pub(super) fn orders(self, given: i128, wanted: i128) -> bool {
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
