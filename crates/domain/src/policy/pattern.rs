//! Patterns with `*` and `?`, as they stand in actions, resources and
//! condition values, with the case rules and policy variables of each place.

use std::borrow::Cow;

/// First character of the private-use plane that stands for the unknown value
/// of a policy variable while documents are compared. IAM admits no character
/// above U+00FF in a policy, so it never stands for itself.
const FIRST_SYMBOL: u32 = 0xF_0000;
/// How many variables one comparison tells apart.
pub(super) const MAX_SYMBOLS: usize = 4096;

/// The character that stands for the value of variable `number`.
pub(super) fn symbol(number: usize) -> Option<char> {
    if number >= MAX_SYMBOLS {
        return None;
    }
    char::from_u32(FIRST_SYMBOL + u32::try_from(number).ok()?)
}

/// Whether this character stands for a variable's value.
pub(super) fn is_symbol(c: char) -> bool {
    (FIRST_SYMBOL..FIRST_SYMBOL + MAX_SYMBOLS as u32).contains(&u32::from(c))
}

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Token {
    /// This very character.
    Lit(char),
    /// This character in either case; held in lower case.
    Fold(char),
    /// Any one character (`?`).
    One,
    /// Any one character but a colon: `?` inside a segment of an ARN.
    OneInSegment,
    /// Anything, also nothing (`*`).
    Many,
    /// Anything without a colon: `*` inside a segment of an ARN.
    ManyInSegment,
    /// The value of a policy variable.
    Variable(Variable),
}

/// `${key}` or `${key, 'default'}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variable {
    /// The context key, in lower case.
    pub(super) key: String,
    /// What stands in when the request has no such key.
    pub(super) default: Option<String>,
}

/// A pattern with its author's spelling.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    tokens: Vec<Token>,
}

/// Where a pattern stands, which decides how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `Action`: no case, wildcards, no variables.
    Action,
    /// `Resource`: case, wildcards, variables; inside the first five segments
    /// of an ARN a wildcard that is not the segment's last character stays
    /// within the segment.
    Resource,
    /// `StringEquals`: case, no wildcards, variables.
    Exact,
    /// `StringEqualsIgnoreCase`, `Bool`.
    ExactNoCase,
    /// `StringLike`: case, wildcards, variables.
    Like,
    /// `ArnEquals`, `ArnLike`: each of the first five segments by itself.
    Arn,
}

/// What resolves policy variables.
pub(super) trait Variables {
    /// The single value of a context key (given in lower case), if there is one.
    fn variable(&self, key: &str) -> Option<Cow<'_, str>>;
}

impl Pattern {
    /// Reads `source` by the rules of `place`. Policy variables are read as
    /// such only when `variables` is set (policy version 2012-10-17).
    pub(super) fn new(source: &str, place: Place, variables: bool) -> Pattern {
        let variables = variables && place != Place::Action;
        let mut tokens = raw_tokens(source, place, variables);
        if matches!(place, Place::Resource | Place::Arn) {
            confine_to_segments(&mut tokens, place);
        }
        collapse_stars(&mut tokens);
        Pattern {
            source: source.to_owned(),
            tokens,
        }
    }

    /// The author's spelling.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The elements, in order.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Whether it matches everything.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self.tokens.as_slice(), [Token::Many])
    }

    /// Whether it has no wildcard and no variable: it matches one text only
    /// (up to case, where case does not count).
    pub(super) fn is_literal(&self) -> bool {
        self.tokens
            .iter()
            .all(|t| matches!(t, Token::Lit(_) | Token::Fold(_)))
    }

    /// The variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.tokens.iter().filter_map(|t| match t {
            Token::Variable(v) => Some(v),
            _ => None,
        })
    }

    /// Whether `subject` matches, with variables resolved by `variables`. A
    /// variable without value and default matches nothing.
    pub(super) fn matches(&self, subject: &str, variables: &dyn Variables) -> bool {
        match self.resolved(variables) {
            Some(tokens) => run(&tokens, subject),
            None => false,
        }
    }

    fn resolved(&self, variables: &dyn Variables) -> Option<Cow<'_, [Token]>> {
        if self.variables().next().is_none() {
            return Some(Cow::Borrowed(&self.tokens));
        }
        let mut tokens = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            match token {
                Token::Variable(v) => {
                    let value = variables.variable(&v.key);
                    let value = value.as_deref().or(v.default.as_deref())?;
                    tokens.extend(value.chars().map(Token::Lit));
                }
                other => tokens.push(other.clone()),
            }
        }
        Some(Cow::Owned(tokens))
    }
}

fn raw_tokens(source: &str, place: Place, variables: bool) -> Vec<Token> {
    let wild = !matches!(place, Place::Exact | Place::ExactNoCase);
    let fold = matches!(place, Place::Action | Place::ExactNoCase);
    let mut tokens = Vec::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if variables
            && let Some(inner) = rest.strip_prefix("${")
            && let Some((inside, after)) = inner.split_once('}')
        {
            tokens.push(variable(inside));
            rest = after;
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        tokens.push(match c {
            '*' if wild => Token::Many,
            '?' if wild => Token::One,
            c if fold && c.is_alphabetic() => Token::Fold(lower(c)),
            c => Token::Lit(c),
        });
    }
    tokens
}

/// What `${inside}` stands for: an escaped character or a variable.
fn variable(inside: &str) -> Token {
    match inside {
        "*" => return Token::Lit('*'),
        "?" => return Token::Lit('?'),
        "$" => return Token::Lit('$'),
        _ => {}
    }
    let (key, default) = match inside.split_once(',') {
        Some((key, rest)) => {
            let rest = rest.trim();
            let default = rest.strip_prefix('\'').and_then(|r| r.strip_suffix('\''));
            (key.trim(), default.map(str::to_owned))
        }
        None => (inside, None),
    };
    Token::Variable(Variable {
        key: key.to_lowercase(),
        default,
    })
}

/// The lower-case form when it is one character; IAM's texts are Latin-1.
fn lower(c: char) -> char {
    let mut forms = c.to_lowercase();
    match (forms.next(), forms.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Keeps wildcards within the first five segments of a full ARN.
fn confine_to_segments(tokens: &mut [Token], place: Place) {
    let colons = tokens.iter().filter(|t| **t == Token::Lit(':')).count();
    if colons < 5 {
        return;
    }
    let mut seen = 0;
    for at in 0..tokens.len() {
        let ends_segment = matches!(tokens.get(at + 1), Some(Token::Lit(':')));
        let Some(token) = tokens.get_mut(at) else {
            break;
        };
        match token {
            Token::Lit(':') => seen += 1,
            Token::One => *token = Token::OneInSegment,
            // "If the * wildcard is the last character of a resource ARN
            // segment, it can expand to match beyond the colon boundaries."
            Token::Many if place == Place::Arn || !ends_segment => *token = Token::ManyInSegment,
            _ => {}
        }
        if seen == 5 {
            break;
        }
    }
}

/// `**` is `*`, also where one of the two stays within its segment.
fn collapse_stars(tokens: &mut Vec<Token>) {
    tokens.dedup_by(|next, kept| match (&*next, &*kept) {
        (Token::Many, Token::Many) | (Token::ManyInSegment, Token::ManyInSegment | Token::Many) => {
            true
        }
        (Token::Many, Token::ManyInSegment) => {
            *kept = Token::Many;
            true
        }
        _ => false,
    });
}

impl Token {
    /// Whether this token can take the character `c` (for a star: swallow it).
    pub(super) fn takes(&self, c: char) -> bool {
        match self {
            Token::Lit(own) => *own == c,
            Token::Fold(own) => *own == c || *own == lower(c),
            Token::One => !is_symbol(c),
            Token::OneInSegment => c != ':' && !is_symbol(c),
            Token::Many => true,
            Token::ManyInSegment => c != ':',
            Token::Variable(_) => false,
        }
    }

    /// Whether it is a star.
    pub(super) fn is_star(&self) -> bool {
        matches!(self, Token::Many | Token::ManyInSegment)
    }
}

/// Whether the whole of `subject` matches. At most tokens × characters steps.
pub(super) fn run(tokens: &[Token], subject: &str) -> bool {
    if tokens.contains(&Token::ManyInSegment) {
        run_all_positions(tokens, subject)
    } else {
        run_with_one_way_back(tokens, subject)
    }
}

/// With unrestricted stars only, it is enough to remember the last one.
fn run_with_one_way_back(tokens: &[Token], subject: &str) -> bool {
    let mut at = 0;
    let mut rest = subject;
    let mut back: Option<(usize, &str)> = None;
    loop {
        let token = tokens.get(at);
        if token == Some(&Token::Many) {
            at += 1;
            back = Some((at, rest));
            continue;
        }
        let next = rest.chars().next();
        match (token, next) {
            (None, None) => return true,
            (Some(token), Some(c)) if token.takes(c) => {
                at += 1;
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
            _ => {
                let Some((star, from)) = back else {
                    return false;
                };
                let Some(c) = from.chars().next() else {
                    return false;
                };
                rest = from.get(c.len_utf8()..).unwrap_or_default();
                at = star;
                back = Some((star, rest));
            }
        }
    }
}

/// Follows every position at once.
fn run_all_positions(tokens: &[Token], subject: &str) -> bool {
    let close = |reached: &mut [bool]| {
        for (at, token) in tokens.iter().enumerate() {
            if token.is_star()
                && reached.get(at) == Some(&true)
                && let Some(next) = reached.get_mut(at + 1)
            {
                *next = true;
            }
        }
    };
    let mut reached = vec![false; tokens.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    close(&mut reached);
    for c in subject.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (at, token) in tokens.iter().enumerate() {
            if reached.get(at) == Some(&true) && token.takes(c) {
                let to = if token.is_star() { at } else { at + 1 };
                if let Some(slot) = next.get_mut(to) {
                    *slot = true;
                }
            }
        }
        close(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named;

    impl Variables for Named {
        fn variable(&self, key: &str) -> Option<Cow<'_, str>> {
            (key == "aws:username").then_some(Cow::Borrowed("bo*b"))
        }
    }

    #[track_caller]
    fn check(pattern: &str, place: Place, variables: bool, subject: &str, wanted: bool) {
        let got = Pattern::new(pattern, place, variables).matches(subject, &Named);
        assert_eq!(got, wanted, "{pattern} as {place:?} on {subject}");
    }

    #[test]
    fn wildcards_and_case_follow_the_place() {
        let rows = [
            ("s3:GetObject", Place::Action, "S3:getobject", true),
            ("s3:*", Place::Action, "s3:GetObject", true),
            ("s3:Get*ion", Place::Action, "s3:GetBucketLocation", true),
            ("s3:?et*", Place::Action, "s3:et", false),
            ("*", Place::Action, "iam:CreateUser", true),
            ("arn:aws:s3:::B", Place::Resource, "arn:aws:s3:::b", false),
            (
                "arn:aws:s3:::b/*",
                Place::Resource,
                "arn:aws:s3:::b/x:y/z",
                true,
            ),
            (
                "arn:aws:s3:::b?c",
                Place::Resource,
                "arn:aws:s3:::b:c",
                true,
            ),
            ("*", Place::Exact, "anything", false),
            ("*", Place::Exact, "*", true),
            ("ABC", Place::ExactNoCase, "aBc", true),
            ("a*c", Place::Like, "abbc", true),
            ("a*c", Place::Like, "abbC", false),
            ("a**", Place::Like, "a", true),
            ("", Place::Like, "", true),
            ("", Place::Like, "x", false),
            ("a*b*c*d", Place::Like, "axbxcxcxd", true),
            ("*a", Place::Like, "aaab", false),
        ];
        for (pattern, place, subject, wanted) in rows {
            check(pattern, place, true, subject, wanted);
        }
    }

    #[test]
    fn wildcards_keep_to_the_segments_of_an_arn() {
        let rows = [
            // the last character of a segment reaches beyond the colon
            (
                "arn:aws:iam::*:role/x",
                Place::Resource,
                "arn:aws:iam::1:2:role/x",
                true,
            ),
            (
                "arn:aws:iam::1*2:role/x",
                Place::Resource,
                "arn:aws:iam::1:2:role/x",
                false,
            ),
            (
                "arn:aws:iam::1*2:role/x",
                Place::Resource,
                "arn:aws:iam::1332:role/x",
                true,
            ),
            // condition operators compare each segment by itself
            (
                "arn:aws:iam::*:role/x",
                Place::Arn,
                "arn:aws:iam::1:2:role/x",
                false,
            ),
            (
                "arn:aws:iam::*:role/x",
                Place::Arn,
                "arn:aws:iam::12:role/x",
                true,
            ),
            (
                "arn:aws:sns:*:1:t*",
                Place::Arn,
                "arn:aws:sns:eu-west-1:1:topic:sub",
                true,
            ),
        ];
        for (pattern, place, subject, wanted) in rows {
            check(pattern, place, true, subject, wanted);
        }
    }

    #[test]
    fn variables_count_only_where_the_version_has_them() {
        let rows = [
            ("home/${aws:username}/*", true, "home/bo*b/x", true),
            ("home/${aws:UserName}/*", true, "home/bo*b/x", true),
            // the value of a variable is text, not a pattern
            ("home/${aws:username}/*", true, "home/boXb/x", false),
            ("home/${aws:username}/*", false, "home/bo*b/x", false),
            (
                "home/${aws:username}/*",
                false,
                "home/${aws:username}/x",
                true,
            ),
            ("home/${aws:none}/*", true, "home//x", false),
            ("home/${aws:none, 'all'}/*", true, "home/all/x", true),
            ("a${*}b${?}${$}", true, "a*b?$", true),
            ("a${*}b", true, "aXb", false),
            ("open ${ended", true, "open ${ended", true),
        ];
        for (pattern, variables, subject, wanted) in rows {
            check(pattern, Place::Like, variables, subject, wanted);
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = "a*".repeat(5_000) + "b";
        check(&pattern, Place::Like, false, &"a".repeat(2_000), false);
    }
}
