//! Patterns as languages: which texts match which patterns, decided for all
//! texts at once.

use std::collections::BTreeMap;

use super::pattern::{Pattern, Token};

/// Leaves out each pattern whose texts all match another one of the list.
pub(super) fn without_covered(patterns: &[Pattern]) -> Vec<&Pattern> {
    if let Some(everything) = patterns.iter().find(|p| p.is_everything()) {
        return vec![everything];
    }
    let mut unique: BTreeMap<&[Token], &Pattern> = BTreeMap::new();
    for pattern in patterns {
        unique.entry(pattern.tokens()).or_insert(pattern);
    }
    // Only a pattern with wildcards can cover another one. Of two that cover
    // each other, spelled differently, the first in order stays.
    let wild: Vec<&Pattern> = unique
        .values()
        .copied()
        .filter(|p| !p.is_literal())
        .collect();
    let is_covered = |pattern: &Pattern| {
        wild.iter().any(|other| {
            other.tokens() != pattern.tokens()
                && covers(other, pattern)
                && (other.tokens() < pattern.tokens() || !covers(pattern, other))
        })
    };
    unique
        .values()
        .copied()
        .filter(|p| !is_covered(p))
        .collect()
}

/// Whether every text of `narrow` is one of `wide`, as far as walking the one
/// along the other shows it: `true` is always right, `false` may be unproven.
pub(super) fn covers(wide: &Pattern, narrow: &Pattern) -> bool {
    if wide.is_everything() || wide.tokens() == narrow.tokens() {
        return true;
    }
    let (wide, narrow) = (wide.tokens(), narrow.tokens());
    if begin_differently(wide, narrow) {
        return false;
    }
    let closed = |reached: &mut Vec<bool>| {
        for (at, token) in wide.iter().enumerate() {
            if token.is_star()
                && reached.get(at) == Some(&true)
                && let Some(next) = reached.get_mut(at + 1)
            {
                *next = true;
            }
        }
    };
    let mut reached = vec![false; wide.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    closed(&mut reached);
    for token in narrow {
        let mut next = vec![false; wide.len() + 1];
        for (at, own) in wide.iter().enumerate() {
            if reached.get(at) == Some(&true) && takes_all_of(own, token) {
                let to = if own.is_star() { at } else { at + 1 };
                if let Some(slot) = next.get_mut(to) {
                    *slot = true;
                }
            }
        }
        closed(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

/// Whether plain characters before the first wildcard already tell them apart.
fn begin_differently(wide: &[Token], narrow: &[Token]) -> bool {
    for (own, token) in wide.iter().zip(narrow) {
        match own {
            Token::Lit(_) | Token::Fold(_) if takes_all_of(own, token) => {}
            Token::Lit(_) | Token::Fold(_) => return true,
            _ => return false,
        }
    }
    false
}

/// Whether `own` can take whatever text `token` stands for (a star takes it
/// and stays).
fn takes_all_of(own: &Token, token: &Token) -> bool {
    match (own, token) {
        (Token::Many, _) => true,
        (Token::ManyInSegment, Token::Lit(c) | Token::Fold(c)) => *c != ':',
        (Token::ManyInSegment, Token::OneInSegment | Token::ManyInSegment) => true,
        (Token::One, Token::Lit(_) | Token::Fold(_) | Token::One | Token::OneInSegment) => true,
        (Token::OneInSegment, Token::Lit(c) | Token::Fold(c)) => *c != ':',
        (Token::OneInSegment, Token::OneInSegment) => true,
        (Token::Fold(a), Token::Lit(b)) => Token::Fold(*a).takes(*b),
        (a, b) => a == b && !a.is_star(),
    }
}

/// Whether some text matches both, variables standing for any text at all.
pub(super) fn may_meet(a: &Pattern, b: &Pattern) -> bool {
    let (a, b) = (a.tokens(), b.tokens());
    let star = |t: &Token| t.is_star() || matches!(t, Token::Variable(_));
    let width = b.len() + 1;
    let mut reached = vec![false; (a.len() + 1) * width];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let set = |reached: &mut Vec<bool>, i: usize, j: usize| {
        if let Some(slot) = reached.get_mut(i * width + j) {
            *slot = true;
        }
    };
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if reached.get(i * width + j) != Some(&true) {
                continue;
            }
            let (x, y) = (a.get(i), b.get(j));
            if x.is_some_and(star) {
                set(&mut reached, i + 1, j);
                if y.is_some() {
                    set(&mut reached, i, j + 1);
                }
            }
            if y.is_some_and(star) {
                set(&mut reached, i, j + 1);
                if x.is_some() {
                    set(&mut reached, i + 1, j);
                }
            }
            if let (Some(x), Some(y)) = (x, y)
                && share_a_character(x, y)
            {
                set(&mut reached, i + 1, j + 1);
            }
        }
    }
    reached.last() == Some(&true)
}

/// Errs on the side of `true`.
fn share_a_character(x: &Token, y: &Token) -> bool {
    match (x, y) {
        (Token::Lit(c) | Token::Fold(c), other) | (other, Token::Lit(c) | Token::Fold(c)) => {
            other.takes(*c)
                || matches!((x, y), (Token::Fold(_), Token::Lit(_)) if x.takes(*c))
                || other.is_star()
        }
        _ => true,
    }
}
