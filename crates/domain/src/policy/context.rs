//! What is known about a request besides who, what and on what.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::pattern::Variables;

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
        self.0.insert(
            key.to_lowercase(),
            values.into_iter().map(Into::into).collect(),
        );
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
