//! The dimensions of a space: representatives for every way in which
//! statements tell values apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Condition, Value};
use super::document::{Patterns, Statement};
use super::language::{covers, may_meet};
use super::pattern::{Pattern, Place, Token, Variables, symbol};
use super::set::Set;
use super::space::{Column, Dimension};
use super::values::{arns_of, candidates};
use super::who::{Cast, FROM_PRINCIPAL, Who, exactly};
use super::witness::witnesses;

/// The most questions whether a pattern matches a representative, for one
/// dimension. The largest of AWS's own policies needs about nine million.
const MAX_MATCHES: usize = 20_000_000;

/// Policy variables, each standing for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols(pub(super) BTreeMap<String, String>);

impl Variables for Symbols {
    fn variable(&self, key: &str) -> Option<Cow<'_, str>> {
        self.0.get(key).map(|s| Cow::Borrowed(s.as_str()))
    }
}

impl Symbols {
    fn tokens(&self, pattern: &Pattern) -> Vec<Token> {
        let symbolic = |token: &Token| match token {
            Token::Variable(v) => {
                let stand_in = self.0.get(&v.key).and_then(|s| s.chars().next());
                Token::Lit(stand_in.unwrap_or('$'))
            }
            other => other.clone(),
        };
        pattern.tokens().iter().map(symbolic).collect()
    }
}

/// Makes the dimensions.
pub(super) struct Builder<'b, 'a> {
    statements: &'b [&'a Statement],
    pub(super) symbols: Symbols,
    pub(super) complete: bool,
    pub(super) entangled: bool,
}

impl<'b, 'a> Builder<'b, 'a> {
    pub(super) fn new(statements: &'b [&'a Statement]) -> Builder<'b, 'a> {
        let mut builder = Builder {
            statements,
            symbols: Symbols::default(),
            complete: true,
            entangled: false,
        };
        builder.name_variables();
        builder
    }

    fn all_patterns(&self) -> impl Iterator<Item = &'a Pattern> + use<'b, 'a> {
        let statements = self.statements;
        let resources = statements
            .iter()
            .filter_map(|s| s.resources())
            .flat_map(Patterns::patterns);
        let values = statements
            .iter()
            .flat_map(|s| s.conditions())
            .flat_map(|c| c.compiled());
        let values = values.filter_map(|v| {
            if let Value::Pattern(p) = v {
                Some(p)
            } else {
                None
            }
        });
        resources.chain(values)
    }

    fn name_variables(&mut self) {
        let mut defaults: BTreeMap<&str, &Option<String>> = BTreeMap::new();
        for variable in self.all_patterns().flat_map(Pattern::variables) {
            let same =
                **defaults.entry(&variable.key).or_insert(&variable.default) == variable.default;
            self.complete &= same;
            let number = self.symbols.0.len();
            if !self.symbols.0.contains_key(&variable.key) {
                match symbol(number) {
                    Some(c) => drop(self.symbols.0.insert(variable.key.clone(), c.to_string())),
                    None => self.complete = false,
                }
            }
        }
        let keys: BTreeSet<&str> = self
            .statements
            .iter()
            .flat_map(|s| s.conditions())
            .map(Condition::key_lower)
            .collect();
        self.entangled = self.symbols.0.keys().any(|key| keys.contains(key.as_str()));
    }

    pub(super) fn everything(&self) -> Set {
        let mut set = Set::default();
        for n in 0..self.statements.len() {
            set.insert(n);
        }
        set
    }

    pub(super) fn indifferent(&self) -> Dimension {
        let column = Column {
            text: String::new(),
            values: Vec::new(),
            set: self.everything(),
        };
        Dimension {
            columns: vec![column],
            key: String::new(),
            indifferent: self.everything(),
        }
    }

    fn dimension(&self, key: &str, columns: Vec<Column>) -> Dimension {
        let indifferent = columns
            .iter()
            .fold(self.everything(), |all, c| all.and(c.set));
        Dimension {
            columns,
            key: key.to_owned(),
            indifferent,
        }
    }

    /// A column for which `speaks` says whether a statement speaks of it.
    fn column(
        &self,
        text: &str,
        values: Vec<String>,
        speaks: impl Fn(&Statement) -> bool,
    ) -> Column {
        let mut set = Set::default();
        for (n, statement) in self.statements.iter().enumerate() {
            if speaks(statement) {
                set.insert(n);
            }
        }
        Column {
            text: text.to_owned(),
            values,
            set,
        }
    }

    pub(super) fn principals(&self, cast: &Cast) -> Dimension {
        if cast.all.is_empty() {
            return self.indifferent();
        }
        let speaks = |who: &Who| {
            self.column("", Vec::new(), |s| {
                s.principals().is_none_or(|p| p.covers(&who.principal))
            })
        };
        self.dimension("", cast.all.iter().map(speaks).collect())
    }

    pub(super) fn actions(&mut self) -> Dimension {
        let patterns: Vec<&Pattern> = self
            .statements
            .iter()
            .flat_map(|s| s.actions().patterns())
            .collect();
        let lists: Vec<Vec<Token>> = patterns.iter().map(|p| p.tokens().to_vec()).collect();
        // An action is "service:Name", with one colon.
        let universe = [
            Token::OneInSegment,
            Token::ManyInSegment,
            Token::Lit(':'),
            Token::OneInSegment,
            Token::ManyInSegment,
        ];
        let mut found = witnesses(&lists, &[&universe]);
        self.complete &= found.complete;
        self.cut(&mut found.texts, patterns.len());
        let columns = found.texts.iter();
        let columns =
            columns.map(|t| self.column(t, Vec::new(), |s| s.actions().covers(t, &self.symbols)));
        self.dimension("", columns.collect())
    }

    pub(super) fn resources(&mut self) -> Dimension {
        let patterns: Vec<&Pattern> = self
            .statements
            .iter()
            .filter_map(|s| s.resources())
            .flat_map(Patterns::patterns)
            .collect();
        self.check_variables(&patterns);
        let lists: Vec<Vec<Token>> = patterns.iter().map(|p| self.symbols.tokens(p)).collect();
        // A resource is an ARN, or "*" for actions that have none.
        let arn = Pattern::new("arn:*", Place::Like, false);
        let mut found = witnesses(&lists, &[arn.tokens()]);
        self.complete &= found.complete;
        self.cut(&mut found.texts, patterns.len());
        found.texts.push("*".to_owned());
        let columns = found.texts.iter();
        let columns = columns.map(|t| {
            self.column(t, Vec::new(), |s| {
                s.resources().is_none_or(|r| r.covers(t, &self.symbols))
            })
        });
        self.dimension("", columns.collect())
    }

    /// Keeps the number of questions bounded.
    fn cut(&mut self, texts: &mut Vec<String>, patterns: usize) {
        let most = MAX_MATCHES / patterns.max(1);
        self.complete &= texts.len() <= most;
        texts.truncate(most);
    }

    /// A variable's value may happen to make its pattern meet another one.
    fn check_variables(&mut self, patterns: &[&Pattern]) {
        let varying: Vec<&&Pattern> = patterns
            .iter()
            .filter(|p| p.variables().next().is_some())
            .collect();
        for one in &varying {
            for other in patterns {
                if one.tokens() != other.tokens() && !covers(other, one) && may_meet(one, other) {
                    self.complete = false;
                    return;
                }
            }
        }
    }

    pub(super) fn keys(&mut self, cast: &Cast, with_principals: bool) -> Vec<Dimension> {
        let mut by_key: BTreeMap<&str, Vec<&Condition>> = BTreeMap::new();
        for condition in self.statements.iter().flat_map(|s| s.conditions()) {
            by_key
                .entry(condition.key_lower())
                .or_default()
                .push(condition);
        }
        let mut dimensions = Vec::new();
        for (key, conditions) in by_key {
            let patterns = conditions.iter().flat_map(|c| c.compiled());
            let patterns: Vec<&Pattern> = patterns
                .filter_map(|v| {
                    if let Value::Pattern(p) = v {
                        Some(p)
                    } else {
                        None
                    }
                })
                .collect();
            self.check_variables(&patterns);
            let also = if with_principals {
                told_apart(key, cast)
            } else {
                Vec::new()
            };
            let symbols = self.symbols.clone();
            let mut found = candidates(key, &conditions, &|p| symbols.tokens(p), &also);
            if !with_principals {
                found.values.retain(|values| users_can_have(key, values));
            }
            self.complete &= found.complete;
            let columns = found.values.into_iter().map(|values| {
                let holds = |s: &Statement| {
                    let mut on_key = s.conditions().iter().filter(|c| c.key_lower() == key);
                    on_key.all(|c| c.holds(Some(&values), &self.symbols))
                };
                self.column("", values.clone(), holds)
            });
            dimensions.push(self.dimension(key, columns.collect()));
        }
        dimensions
    }
}

/// Policies of users and roles apply to users and roles: what follows from a
/// principal is never missing for them, and none of them is a service.
fn users_can_have(key: &str, values: &[String]) -> bool {
    match (key, values) {
        ("aws:principalisawsservice", [one]) => !one.eq_ignore_ascii_case("true"),
        (key, values) => !(FROM_PRINCIPAL.contains(&key) && values.is_empty()),
    }
}

/// Values of a key that must be told apart for the sake of the principals.
fn told_apart(key: &str, cast: &Cast) -> Vec<Pattern> {
    match key {
        "aws:principalaccount" => cast.accounts.iter().map(|a| exactly(a)).collect(),
        "aws:principalarn" => cast
            .accounts
            .iter()
            .map(|a| arns_of(a))
            .chain(cast.arns.iter().map(|a| exactly(a)))
            .collect(),
        "aws:principaltype" => [
            "Account",
            "User",
            "AssumedRole",
            "FederatedUser",
            "Service",
            "Anonymous",
        ]
        .map(exactly)
        .to_vec(),
        _ => Vec::new(),
    }
}
