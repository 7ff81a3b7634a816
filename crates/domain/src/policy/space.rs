//! All requests that a set of statements can tell apart, as a product of few
//! representatives, and the search for one with a given property.
//!
//! Every dimension of a request (principal, action, resource, each context
//! key) gets representatives for each way in which the statements can tell
//! its values apart. Whether a statement speaks of a representative is asked
//! of the very code that evaluates requests. So what the search finds is a
//! request, and what it does not find in complete dimensions does not exist.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Condition, Value};
use super::document::{Document, Effect, Kind, Patterns, Statement};
use super::language::{covers, may_meet};
use super::pattern::{Pattern, Place, Token, Variables, symbol};
use super::values::{arns_of, candidates};
use super::who::{Cast, FROM_PRINCIPAL, Who, cast, exactly};
use super::witness::witnesses;

/// The most different statements looked at together. IAM's limits admit about
/// a hundred to a document.
pub(super) const MAX_STATEMENTS: usize = 256;
/// The most steps of one search.
const MAX_SEARCH: usize = 100_000;
/// The most questions whether a pattern matches a representative, for one
/// dimension. The largest of AWS's own policies needs about nine million.
const MAX_MATCHES: usize = 20_000_000;

/// A set of statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set([u64; MAX_STATEMENTS / 64]);

impl Set {
    pub(super) fn insert(&mut self, n: usize) {
        if let Some(word) = self.0.get_mut(n / 64) {
            *word |= 1 << (n % 64);
        }
    }

    pub(super) fn contains(&self, n: usize) -> bool {
        self.0.get(n / 64).is_some_and(|word| word & (1 << (n % 64)) != 0)
    }

    pub(super) fn and(self, other: Set) -> Set {
        let mut out = self;
        for (mine, theirs) in out.0.iter_mut().zip(other.0) {
            *mine &= theirs;
        }
        out
    }

    pub(super) fn or(self, other: Set) -> Set {
        let mut out = self;
        for (mine, theirs) in out.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
        out
    }

    pub(super) fn meets(self, other: Set) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_STATEMENTS).filter(move |n| self.contains(*n))
    }
}

/// A question about the statements that speak of a request.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    /// At least one statement of the set does.
    Some(Set),
    Not(Box<Formula>),
    And(Vec<Formula>),
    Always,
}

impl Formula {
    pub(super) fn negated(self) -> Formula {
        Formula::Not(Box::new(self))
    }

    /// `possible` may still speak of the request, `certain` do. `None`: open.
    fn decide(&self, possible: Set, certain: Set) -> Option<bool> {
        match self {
            Formula::Always => Some(true),
            Formula::Some(set) if certain.meets(*set) => Some(true),
            Formula::Some(set) if !possible.meets(*set) => Some(false),
            Formula::Some(_) => None,
            Formula::Not(inner) => inner.decide(possible, certain).map(|b| !b),
            Formula::And(all) => all_hold(all, possible, certain),
        }
    }
}

fn all_hold(all: &[Formula], possible: Set, certain: Set) -> Option<bool> {
    let mut open = false;
    for formula in all {
        match formula.decide(possible, certain) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => open = true,
        }
    }
    if open { None } else { Some(true) }
}

/// One representative value and the statements that speak of it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its text, for actions and resources.
    pub(super) text: String,
    /// Its values, for context keys.
    pub(super) values: Vec<String>,
    pub(super) set: Set,
}

/// One dimension of a request.
#[derive(Clone, Debug)]
struct Dimension {
    columns: Vec<Column>,
    /// The context key; empty for principal, action, resource.
    key: String,
    /// Statements that speak of all its values.
    indifferent: Set,
}

/// Positions of the first three dimensions.
pub(super) const PRINCIPAL: usize = 0;
pub(super) const ACTION: usize = 1;
pub(super) const RESOURCE: usize = 2;

/// See the module.
pub(super) struct Space<'a> {
    statements: Vec<&'a Statement>,
    cast: Cast,
    symbols: Symbols,
    dimensions: Vec<Dimension>,
    /// Statements that no dimension from this one on restricts.
    settled: Vec<Set>,
    correlated: bool,
    /// Whether the representatives stand for all requests.
    pub(super) complete: bool,
    /// Whether what is found may not exist: a policy variable's key is also
    /// compared by a condition, and the two are not looked at together.
    pub(super) entangled: bool,
    places: BTreeMap<&'a str, usize>,
}

/// A request found: its representatives' positions, dimension by dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: Vec<usize>,
    pub(super) speaking: Set,
}

/// The outcome of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    Found(Found),
    None,
    GaveUp,
}

/// Which representatives a search may use; `None` is all.
#[derive(Clone, Debug, Default)]
pub(super) struct Within {
    pub(super) principals: Option<Vec<usize>>,
    pub(super) actions: Option<Vec<usize>>,
    pub(super) resources: Option<Vec<usize>>,
}

/// Policy variables, each standing for itself.
#[derive(Clone, Debug, Default)]
struct Symbols(BTreeMap<String, String>);

impl Variables for Symbols {
    fn variable(&self, key: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.0.get(key).map(|s| std::borrow::Cow::Borrowed(s.as_str()))
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

impl<'a> Space<'a> {
    /// The space that the documents' statements span; `None` when there are
    /// too many of them.
    pub(super) fn of(documents: &[&'a Document]) -> Option<Space<'a>> {
        let mut statements = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for document in documents {
            for (statement, row) in document.statements().iter().zip(document.rows()) {
                places.entry(row.as_str()).or_insert_with(|| {
                    statements.push(statement);
                    statements.len() - 1
                });
            }
        }
        if statements.len() > MAX_STATEMENTS {
            return None;
        }
        let with_principals = documents.iter().any(|d| d.kind().has_principals());
        let trust = documents.iter().all(|d| d.kind() == Kind::Trust);
        let mut builder = Builder::new(&statements);
        let cast = if with_principals { cast(&statements) } else { Cast { complete: true, ..Cast::default() } };
        let mut dimensions = vec![builder.principals(&cast), builder.actions()];
        dimensions.push(if trust { builder.indifferent() } else { builder.resources() });
        dimensions.extend(builder.keys(&cast, with_principals));
        let everything = builder.everything();
        let mut settled = vec![everything];
        for dimension in dimensions.iter().rev() {
            let behind = settled.last().copied().unwrap_or_default();
            settled.push(behind.and(dimension.indifferent));
        }
        settled.reverse();
        let correlated =
            with_principals && dimensions.iter().any(|d| FROM_PRINCIPAL.contains(&d.key.as_str()));
        Some(Space {
            complete: builder.complete && cast.complete,
            entangled: builder.entangled,
            symbols: builder.symbols,
            statements,
            cast,
            dimensions,
            settled,
            correlated,
            places,
        })
    }

    /// The statements of a document with this effect.
    pub(super) fn set(&self, document: &Document, effect: Effect) -> Set {
        let mut set = Set::default();
        for (statement, row) in document.statements().iter().zip(document.rows()) {
            if statement.effect() == effect
                && let Some(n) = self.places.get(row.as_str())
            {
                set.insert(*n);
            }
        }
        set
    }

    /// One statement of a document.
    pub(super) fn only(&self, document: &Document, n: usize) -> Set {
        let mut set = Set::default();
        if let Some(place) = document.rows().get(n).and_then(|row| self.places.get(row.as_str())) {
            set.insert(*place);
        }
        set
    }

    pub(super) fn statement(&self, n: usize) -> Option<&'a Statement> {
        self.statements.get(n).copied()
    }

    pub(super) fn columns(&self, dimension: usize) -> &[Column] {
        self.dimensions.get(dimension).map_or(&[], |d| d.columns.as_slice())
    }

    pub(super) fn who(&self, column: usize) -> Option<&Who> {
        self.cast.all.get(column)
    }

    /// The context keys with their position in a path.
    pub(super) fn keys(&self) -> impl Iterator<Item = (usize, &str)> {
        self.dimensions.iter().enumerate().skip(RESOURCE + 1).map(|(n, d)| (n, d.key.as_str()))
    }

    /// The keys of policy variables with what stands for their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.symbols.0.iter().map(|(key, symbol)| (key.as_str(), symbol.as_str()))
    }

    /// Positions of the representatives that a pattern matches.
    pub(super) fn matched_by(&self, dimension: usize, pattern: &Pattern) -> Vec<usize> {
        let all = self.columns(dimension).iter().enumerate();
        all.filter(|(_, c)| pattern.matches(&c.text, &self.symbols)).map(|(n, _)| n).collect()
    }

    /// Whether a statement speaks of the principal, action and resource of a
    /// request found, whatever it says of the context.
    pub(super) fn reaches(&self, statement: usize, found: &Found) -> bool {
        let first = found.path.iter().take(RESOURCE + 1).enumerate();
        first.map(|(d, n)| self.columns(d).get(*n)).all(|c| c.is_some_and(|c| c.set.contains(statement)))
    }

    /// Whether a statement speaks of the principal and action of a request
    /// found, whatever it says of resource and context.
    pub(super) fn speaks_of_deed(&self, statement: usize, found: &Found) -> bool {
        let first = found.path.iter().take(RESOURCE).enumerate();
        first.map(|(d, n)| self.columns(d).get(*n)).all(|c| c.is_some_and(|c| c.set.contains(statement)))
    }

    /// Whether a request found lacks a context key.
    pub(super) fn is_missing(&self, key: &str, found: &Found) -> bool {
        let at = self.dimensions.iter().position(|d| d.key == key);
        let column = at.and_then(|at| self.columns(at).get(*found.path.get(at)?));
        column.is_some_and(|c| c.values.is_empty())
    }

    /// Whether the conditions on a key hold, by one statement, in a request
    /// found. A key that the search did not come to is open: `true`.
    pub(super) fn holds_on(&self, statement: usize, key: &str, found: &Found) -> bool {
        let Some(at) = self.dimensions.iter().skip(RESOURCE + 1).position(|d| d.key == key) else { return true };
        let at = at + RESOURCE + 1;
        let Some(n) = found.path.get(at) else { return true };
        self.columns(at).get(*n).is_none_or(|c| c.set.contains(statement))
    }

    /// Looks for a request of which `wanted` holds.
    pub(super) fn find(&self, wanted: &Formula, within: &Within) -> Search {
        let mut walk = Walk { space: self, wanted, seen: BTreeSet::new(), steps: 0, choices: Vec::new() };
        for (n, dimension) in self.dimensions.iter().enumerate() {
            let allowed = match n {
                PRINCIPAL => within.principals.as_ref(),
                ACTION => within.actions.as_ref(),
                RESOURCE => within.resources.as_ref(),
                _ => None,
            };
            let keep_all = self.correlated && (n == PRINCIPAL || FROM_PRINCIPAL.contains(&dimension.key.as_str()));
            walk.choices.push(choices(dimension, allowed, keep_all));
        }
        let mut path = Vec::with_capacity(self.dimensions.len());
        match walk.step(0, self.settled_everything(), &mut path) {
            Some(Some(speaking)) => Search::Found(Found { path, speaking }),
            Some(None) => Search::None,
            None => Search::GaveUp,
        }
    }

    fn settled_everything(&self) -> Set {
        self.settled.last().copied().unwrap_or_default()
    }
}

/// The representatives to try: of those with the same statements one is enough.
fn choices(dimension: &Dimension, allowed: Option<&Vec<usize>>, keep_all: bool) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let all = dimension.columns.iter().enumerate();
    let allowed = |n: &usize| allowed.is_none_or(|list| list.contains(n));
    all.filter(|(n, column)| allowed(n) && (keep_all || seen.insert(column.set))).map(|(n, _)| n).collect()
}

struct Walk<'s, 'a> {
    space: &'s Space<'a>,
    wanted: &'s Formula,
    seen: BTreeSet<(usize, usize, Set)>,
    steps: usize,
    choices: Vec<Vec<usize>>,
}

impl Walk<'_, '_> {
    /// `Some(Some(_))` found, `Some(None)` not there, `None` gave up.
    fn step(&mut self, depth: usize, possible: Set, path: &mut Vec<usize>) -> Option<Option<Set>> {
        self.steps += 1;
        if self.steps > MAX_SEARCH {
            return None;
        }
        let certain = possible.and(self.space.settled.get(depth).copied().unwrap_or_default());
        match self.wanted.decide(possible, certain) {
            Some(false) => return Some(None),
            Some(true) if depth > RESOURCE && !self.space.correlated => return Some(Some(certain)),
            _ => {}
        }
        let Some(dimension) = self.space.dimensions.get(depth) else {
            return Some(self.wanted.decide(possible, possible).filter(|b| *b).map(|_| possible));
        };
        let who = if self.space.correlated { path.first().copied().unwrap_or_default() } else { 0 };
        if !self.seen.insert((depth, who, possible)) {
            return Some(None);
        }
        let from_principal = self.space.correlated && FROM_PRINCIPAL.contains(&dimension.key.as_str());
        for n in self.choices.get(depth).cloned().unwrap_or_default() {
            let Some(column) = dimension.columns.get(n) else { continue };
            if from_principal
                && let Some(who) = self.space.who(who)
                && !self.space.cast.admits(who, &dimension.key, &column.values)
            {
                continue;
            }
            path.push(n);
            match self.step(depth + 1, possible.and(column.set), path) {
                Some(None) => {
                    path.pop();
                }
                other => return other,
            }
        }
        Some(None)
    }
}

/// Makes the dimensions.
struct Builder<'b, 'a> {
    statements: &'b [&'a Statement],
    symbols: Symbols,
    complete: bool,
    entangled: bool,
}

impl<'b, 'a> Builder<'b, 'a> {
    fn new(statements: &'b [&'a Statement]) -> Builder<'b, 'a> {
        let mut builder = Builder { statements, symbols: Symbols::default(), complete: true, entangled: false };
        builder.name_variables();
        builder
    }

    fn all_patterns(&self) -> impl Iterator<Item = &'a Pattern> + use<'b, 'a> {
        let statements = self.statements;
        let resources = statements.iter().filter_map(|s| s.resources()).flat_map(Patterns::patterns);
        let values = statements.iter().flat_map(|s| s.conditions()).flat_map(|c| c.compiled());
        let values = values.filter_map(|v| if let Value::Pattern(p) = v { Some(p) } else { None });
        resources.chain(values)
    }

    fn name_variables(&mut self) {
        let mut defaults: BTreeMap<&str, &Option<String>> = BTreeMap::new();
        for variable in self.all_patterns().flat_map(Pattern::variables) {
            let same = **defaults.entry(&variable.key).or_insert(&variable.default) == variable.default;
            self.complete &= same;
            let number = self.symbols.0.len();
            if !self.symbols.0.contains_key(&variable.key) {
                match symbol(number) {
                    Some(c) => drop(self.symbols.0.insert(variable.key.clone(), c.to_string())),
                    None => self.complete = false,
                }
            }
        }
        let keys: BTreeSet<&str> =
            self.statements.iter().flat_map(|s| s.conditions()).map(Condition::key_lower).collect();
        self.entangled = self.symbols.0.keys().any(|key| keys.contains(key.as_str()));
    }

    fn everything(&self) -> Set {
        let mut set = Set::default();
        for n in 0..self.statements.len() {
            set.insert(n);
        }
        set
    }

    fn indifferent(&self) -> Dimension {
        let column = Column { text: String::new(), values: Vec::new(), set: self.everything() };
        Dimension { columns: vec![column], key: String::new(), indifferent: self.everything() }
    }

    fn dimension(&self, key: &str, columns: Vec<Column>) -> Dimension {
        let indifferent = columns.iter().fold(self.everything(), |all, c| all.and(c.set));
        Dimension { columns, key: key.to_owned(), indifferent }
    }

    /// A column for which `speaks` says whether a statement speaks of it.
    fn column(&self, text: &str, values: Vec<String>, speaks: impl Fn(&Statement) -> bool) -> Column {
        let mut set = Set::default();
        for (n, statement) in self.statements.iter().enumerate() {
            if speaks(statement) {
                set.insert(n);
            }
        }
        Column { text: text.to_owned(), values, set }
    }

    fn principals(&self, cast: &Cast) -> Dimension {
        if cast.all.is_empty() {
            return self.indifferent();
        }
        let speaks = |who: &Who| {
            self.column("", Vec::new(), |s| s.principals().is_none_or(|p| p.covers(&who.principal)))
        };
        self.dimension("", cast.all.iter().map(speaks).collect())
    }

    fn actions(&mut self) -> Dimension {
        let patterns: Vec<&Pattern> = self.statements.iter().flat_map(|s| s.actions().patterns()).collect();
        let lists: Vec<Vec<Token>> = patterns.iter().map(|p| p.tokens().to_vec()).collect();
        // An action is "service:Name", with one colon.
        let universe =
            [Token::OneInSegment, Token::ManyInSegment, Token::Lit(':'), Token::OneInSegment, Token::ManyInSegment];
        let mut found = witnesses(&lists, &[&universe]);
        self.complete &= found.complete;
        self.cut(&mut found.texts, patterns.len());
        let columns = found.texts.iter();
        let columns = columns.map(|t| self.column(t, Vec::new(), |s| s.actions().covers(t, &self.symbols)));
        self.dimension("", columns.collect())
    }

    fn resources(&mut self) -> Dimension {
        let patterns: Vec<&Pattern> =
            self.statements.iter().filter_map(|s| s.resources()).flat_map(Patterns::patterns).collect();
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
            self.column(t, Vec::new(), |s| s.resources().is_none_or(|r| r.covers(t, &self.symbols)))
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
        let varying: Vec<&&Pattern> = patterns.iter().filter(|p| p.variables().next().is_some()).collect();
        for one in &varying {
            for other in patterns {
                if one.tokens() != other.tokens() && !covers(other, one) && may_meet(one, other) {
                    self.complete = false;
                    return;
                }
            }
        }
    }

    fn keys(&mut self, cast: &Cast, with_principals: bool) -> Vec<Dimension> {
        let mut by_key: BTreeMap<&str, Vec<&Condition>> = BTreeMap::new();
        for condition in self.statements.iter().flat_map(|s| s.conditions()) {
            by_key.entry(condition.key_lower()).or_default().push(condition);
        }
        let mut dimensions = Vec::new();
        for (key, conditions) in by_key {
            let patterns = conditions.iter().flat_map(|c| c.compiled());
            let patterns: Vec<&Pattern> =
                patterns.filter_map(|v| if let Value::Pattern(p) = v { Some(p) } else { None }).collect();
            self.check_variables(&patterns);
            let also = if with_principals { told_apart(key, cast) } else { Vec::new() };
            let symbols = self.symbols.clone();
            let found = candidates(key, &conditions, &|p| symbols.tokens(p), &also);
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

/// Values of a key that must be told apart for the sake of the principals.
fn told_apart(key: &str, cast: &Cast) -> Vec<Pattern> {
    match key {
        "aws:principalaccount" => cast.accounts.iter().map(|a| exactly(a)).collect(),
        "aws:principalarn" => {
            cast.accounts.iter().map(|a| arns_of(a)).chain(cast.arns.iter().map(|a| exactly(a))).collect()
        }
        "aws:principaltype" => {
            ["Account", "User", "AssumedRole", "FederatedUser", "Service", "Anonymous"].map(exactly).to_vec()
        }
        _ => Vec::new(),
    }
}
