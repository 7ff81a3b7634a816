//! Conditions, and when they hold.

use super::operator::{Operator, Quantifier, Test};
use super::pattern::{Pattern, Place, Variables};
use super::quantity::{Network, date, number};

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

impl Condition {
    /// A condition with its values in the author's order.
    pub(super) fn new(
        operator: Operator,
        key: &str,
        values: Vec<String>,
        variables: bool,
    ) -> Condition {
        let compiled = values
            .iter()
            .map(|v| Value::read(v, operator.test, variables))
            .collect();
        Condition {
            operator,
            key: key.to_owned(),
            key_lower: key.to_lowercase(),
            values,
            compiled,
        }
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
            return self
                .compiled
                .iter()
                .any(|v| matches!(v, Value::Flag(f) if *f == absent));
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
        self.compiled
            .iter()
            .any(|value| value.compares(self.operator.test, given, variables))
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
            Test::DateEquals
            | Test::DateLess
            | Test::DateLessEqual
            | Test::DateGreater
            | Test::DateGreaterEqual => date(text).map_or(Value::Unusable, Value::Number),
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
                let given = if test.is_date() {
                    date(given)
                } else {
                    number(given)
                };
                given.is_some_and(|given| test.orders(given, *wanted))
            }
            Value::Flag(_) | Value::Unusable => false,
        }
    }
}
