//! A text for each way in which texts can match a set of patterns.
//!
//! The patterns run side by side as one automaton whose states are built only
//! as they are reached. Each set of patterns that some text matches exactly
//! (and no other of the patterns) is found with a shortest such text, so
//! questions about all texts become questions about a few. The work is
//! counted and bounded; beyond the bound the answer says that it is partial.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::pattern::Token;

/// The most states of one automaton. The FAQ's documents need tens, the
/// largest of AWS's own managed policies some ten thousand.
const MAX_STATES: usize = 40_000;
/// The most steps (one position of one pattern, for one letter).
const MAX_STEPS: usize = 1_000_000;

/// Texts for every way of matching, as far as they were found.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses {
    pub(super) texts: Vec<String>,
    /// Whether every way is represented.
    pub(super) complete: bool,
    /// States reached and steps taken, for the tests of the bounds.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only the tests ask what an answer cost")
    )]
    pub(super) cost: (usize, usize),
}

/// Finds a text for each set of `patterns` that can be matched together,
/// among the texts that one of `universe` matches (all texts when it is empty).
pub(super) fn witnesses(patterns: &[Vec<Token>], universe: &[&[Token]]) -> Witnesses {
    let is_literal = |p: &Vec<Token>| {
        p.iter()
            .all(|t| matches!(t, Token::Lit(_) | Token::Fold(_)))
    };
    let unique: BTreeSet<&Vec<Token>> = patterns.iter().collect();
    let (literal, wild): (Vec<_>, Vec<_>) = unique.into_iter().partition(|p| is_literal(p));
    let mixed = mixes_case(patterns);
    // A text that is a literal is one way of matching by itself; all other
    // texts differ by the wild patterns only. That spares most of the work,
    // unless case folds on some patterns only, or the shortest text of some
    // way happens to be one of the literals.
    if !mixed {
        let literals: BTreeSet<String> = literal.iter().map(|p| spelled(p)).collect();
        let found = explore(&wild, universe, patterns);
        if found.texts.iter().all(|t| !literals.contains(t)) {
            let inside = literals.into_iter().filter(|t| {
                universe.is_empty() || universe.iter().any(|u| super::pattern::run(u, t))
            });
            let texts = found.texts.iter().cloned().chain(inside).collect();
            return Witnesses { texts, ..found };
        }
    }
    let all: Vec<&Vec<Token>> = literal.into_iter().chain(wild).collect();
    explore(&all, universe, patterns)
}

fn spelled(literal: &[Token]) -> String {
    let chars = literal.iter().filter_map(|t| match t {
        Token::Lit(c) | Token::Fold(c) => Some(*c),
        _ => None,
    });
    chars.collect()
}

/// Whether case folds in some places and counts in others.
fn mixes_case(patterns: &[Vec<Token>]) -> bool {
    let mut tokens = patterns.iter().flatten();
    tokens.clone().any(|t| matches!(t, Token::Fold(_)))
        && tokens.any(|t| matches!(t, Token::Lit(c) if c.is_alphabetic()))
}

/// A character that no pattern names.
fn other_letter(patterns: &[Vec<Token>]) -> Option<char> {
    let named: BTreeSet<char> = patterns
        .iter()
        .flatten()
        .filter_map(|t| match t {
            Token::Lit(c) | Token::Fold(c) => Some(*c),
            _ => None,
        })
        .collect();
    let likely = "xyzqwkjvbnmhgfdsplotreucai0123456789".chars();
    let rest = ('\u{c0}'..='\u{ff}').chain('\u{4e00}'..='\u{9fff}');
    let free = |c: &char| !named.contains(c) && !c.to_lowercase().any(|l| named.contains(&l));
    likely.chain(rest).find(free)
}

/// A state reached, and how.
struct Node {
    active: Vec<u32>,
    parent: usize,
    letter: char,
}

struct Machine<'a> {
    tokens: Vec<Option<&'a Token>>,
    /// Pattern of each accepting position.
    accepts: BTreeMap<u32, usize>,
    starts: Vec<u32>,
    other: char,
    fold_both: bool,
}

impl<'a> Machine<'a> {
    fn new(patterns: &[&'a [Token]], other: char, fold_both: bool) -> Machine<'a> {
        let mut machine = Machine {
            tokens: Vec::new(),
            accepts: BTreeMap::new(),
            starts: Vec::new(),
            other,
            fold_both,
        };
        for (number, pattern) in patterns.iter().enumerate() {
            machine.starts.push(position(machine.tokens.len()));
            machine.tokens.extend(pattern.iter().map(Some));
            machine
                .accepts
                .insert(position(machine.tokens.len()), number);
            machine.tokens.push(None);
        }
        machine
    }

    fn token(&self, at: u32) -> Option<&'a Token> {
        self.tokens.get(at as usize).copied().flatten()
    }

    /// Adds the positions behind stars, sorts.
    fn closed(&self, mut active: Vec<u32>) -> Vec<u32> {
        let mut n = 0;
        while let Some(at) = active.get(n).copied() {
            if self.token(at).is_some_and(Token::is_star) {
                active.push(at + 1);
            }
            n += 1;
        }
        active.sort_unstable();
        active.dedup();
        active
    }

    fn step(&self, active: &[u32], letter: char) -> Vec<u32> {
        let mut next = Vec::with_capacity(active.len());
        for at in active {
            if let Some(token) = self.token(*at)
                && token.takes(letter)
            {
                next.push(if token.is_star() { *at } else { at + 1 });
            }
        }
        self.closed(next)
    }

    /// The letters that can tell the active positions apart.
    fn letters(&self, active: &[u32]) -> Vec<char> {
        let mut letters = vec![self.other];
        for at in active {
            match self.token(*at) {
                Some(Token::Lit(c)) => letters.push(*c),
                Some(Token::Fold(c)) => {
                    letters.push(*c);
                    if self.fold_both {
                        letters.extend(c.to_uppercase());
                    }
                }
                Some(Token::OneInSegment | Token::ManyInSegment) => letters.push(':'),
                _ => {}
            }
        }
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    fn accepted(&self, active: &[u32]) -> Vec<usize> {
        active
            .iter()
            .filter_map(|at| self.accepts.get(at).copied())
            .collect()
    }
}

fn position(n: usize) -> u32 {
    // The parser admits far fewer characters than this.
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn explore(patterns: &[&Vec<Token>], universe: &[&[Token]], all: &[Vec<Token>]) -> Witnesses {
    let Some(other) = other_letter(all) else {
        return Witnesses::default();
    };
    let mut lists: Vec<&[Token]> = patterns.iter().map(|p| p.as_slice()).collect();
    let first_universe = lists.len();
    lists.extend(universe);
    let machine = Machine::new(&lists, other, mixes_case(all));
    // Positions of the universe come last: without one of them no text of the
    // universe is ahead.
    let universe_start = machine
        .starts
        .get(first_universe)
        .copied()
        .unwrap_or_default();
    let alive = |active: &[u32]| {
        universe.is_empty() || active.last().is_some_and(|at| *at >= universe_start)
    };

    let mut nodes = vec![Node {
        active: machine.closed(machine.starts.clone()),
        parent: 0,
        letter: other,
    }];
    let mut seen: BTreeSet<Vec<u32>> = nodes.iter().map(|n| n.active.clone()).collect();
    let mut found: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([0]);
    let mut steps = 0;
    let mut complete = true;
    while let Some(number) = queue.pop_front() {
        let Some(active) = nodes.get(number).map(|n| n.active.clone()) else {
            break;
        };
        let mut accepted = machine.accepted(&active);
        if universe.is_empty() || accepted.iter().any(|p| *p >= first_universe) {
            accepted.retain(|p| *p < first_universe);
            found.entry(accepted).or_insert(number);
        }
        for letter in machine.letters(&active) {
            steps += active.len() + 1;
            let next = machine.step(&active, letter);
            if alive(&next) && !seen.contains(&next) {
                seen.insert(next.clone());
                queue.push_back(nodes.len());
                nodes.push(Node {
                    active: next,
                    parent: number,
                    letter,
                });
            }
        }
        if nodes.len() > MAX_STATES || steps > MAX_STEPS {
            complete = false;
            break;
        }
    }
    let mut texts: Vec<(usize, String)> = found.values().map(|n| (*n, spell(&nodes, *n))).collect();
    texts.sort();
    let texts = texts.into_iter().map(|(_, text)| text).collect();
    Witnesses {
        texts,
        complete,
        cost: (nodes.len(), steps),
    }
}

fn spell(nodes: &[Node], mut number: usize) -> String {
    let mut letters = Vec::new();
    while number != 0
        && let Some(node) = nodes.get(number)
    {
        letters.push(node.letter);
        number = node.parent;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Pattern, Place};
    use super::*;

    fn tokens(patterns: &[&str], place: Place) -> Vec<Vec<Token>> {
        patterns
            .iter()
            .map(|p| Pattern::new(p, place, false).tokens().to_vec())
            .collect()
    }

    /// Which of the patterns each witness matches, as a set of words.
    fn ways(patterns: &[&str], place: Place) -> BTreeSet<String> {
        let list = tokens(patterns, place);
        let found = witnesses(&list, &[]);
        assert!(found.complete);
        let way = |text: &String| {
            let matched = list.iter().map(|p| {
                if super::super::pattern::run(p, text) {
                    '1'
                } else {
                    '0'
                }
            });
            matched.collect::<String>()
        };
        found.texts.iter().map(way).collect()
    }

    #[track_caller]
    fn check(patterns: &[&str], place: Place, wanted: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
        assert_eq!(ways(patterns, place), wanted, "{patterns:?}");
    }

    #[test]
    fn every_way_of_matching_has_a_witness() {
        check(&[], Place::Like, &[""]);
        check(&["*"], Place::Like, &["1"]);
        check(&["a*", "ab"], Place::Like, &["00", "10", "11"]);
        check(&["a*", "*b"], Place::Like, &["00", "10", "01", "11"]);
        check(&["a?", "?b"], Place::Like, &["00", "10", "01", "11"]);
        check(
            &["a?", "?b", "ab"],
            Place::Like,
            &["000", "100", "010", "111"],
        );
        check(&["*", "?*", ""], Place::Like, &["101", "110"]);
        check(
            &["S3:Get*", "s3:get?", "s3:getx"],
            Place::Action,
            &["000", "100", "110", "111"],
        );
    }

    #[test]
    fn folded_and_strict_case_live_side_by_side() {
        let mut list = tokens(&["Ab"], Place::Exact);
        list.extend(tokens(&["ab"], Place::ExactNoCase));
        let found = witnesses(&list, &[]);
        let ways: BTreeSet<(bool, bool)> = found
            .texts
            .iter()
            .map(|t| {
                (
                    list.first()
                        .is_some_and(|p| super::super::pattern::run(p, t)),
                    list.last()
                        .is_some_and(|p| super::super::pattern::run(p, t)),
                )
            })
            .collect();
        assert_eq!(
            ways,
            BTreeSet::from([(false, false), (false, true), (true, true)])
        );
    }

    #[test]
    fn hostile_patterns_end_at_the_bound() {
        let many = |n: usize| -> Vec<String> {
            (0..n)
                .map(|k| format!("*a{}*b{}*", "?".repeat(k % 9), "a".repeat(k % 7)))
                .collect()
        };
        for n in [1, 4, 16, 64, 256] {
            let list = many(n);
            let list = tokens(
                &list.iter().map(String::as_str).collect::<Vec<_>>(),
                Place::Like,
            );
            let positions: usize = list.iter().map(|p| p.len() + 1).sum();
            let found = witnesses(&list, &[]);
            let (states, steps) = found.cost;
            // Past the bound only the letters of one state are still tried.
            let slack = (positions + 1) * 8;
            assert!(
                states <= MAX_STATES + 8 && steps <= MAX_STEPS + slack,
                "{n}: {states} states, {steps} steps"
            );
            assert!(found.complete || steps > MAX_STEPS || states > MAX_STATES);
        }
    }

    #[test]
    fn the_cost_of_plain_lists_is_nothing_and_of_prefixes_linear() {
        let plain: Vec<String> = (0..500).map(|n| format!("s3:Action{n}")).collect();
        let list = tokens(
            &plain.iter().map(String::as_str).collect::<Vec<_>>(),
            Place::Action,
        );
        let found = witnesses(&list, &[]);
        assert!(found.complete && found.cost.0 < 10, "{:?}", found.cost);
        assert_eq!(found.texts.len(), 501);
        let prefixes: Vec<String> = (0..500).map(|n| format!("s3:Action{n:03}*")).collect();
        let list = tokens(
            &prefixes.iter().map(String::as_str).collect::<Vec<_>>(),
            Place::Action,
        );
        let found = witnesses(&list, &[]);
        let letters: usize = prefixes.iter().map(String::len).sum();
        assert!(found.complete && found.cost.0 < letters, "{:?}", found.cost);
    }
}
