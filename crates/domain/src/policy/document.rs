//! A policy document: the author's text, and what it says.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::canonical;
use super::condition::Condition;
use super::parse::{self, ParseError};
use super::pattern::Pattern;
use super::principal::{Name, Principals};

/// What kind of policy a document is, which decides the elements it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Attached to an identity: managed or inline policy, permissions boundary.
    Identity,
    /// A role's trust policy: with principals, without resources.
    Trust,
    /// Passed along when a session is made.
    Session,
    /// A service control policy of an organization.
    ServiceControl,
    /// A resource control policy of an organization.
    ResourceControl,
    /// Any other policy attached to a resource.
    Resource,
}

impl Kind {
    /// Whether its statements name principals.
    pub fn has_principals(self) -> bool {
        matches!(self, Kind::Trust | Kind::Resource | Kind::ResourceControl)
    }

    /// The longest text that AWS accepts for this kind, counted as
    /// [`Document::size`] counts; `None` where this depends on the service.
    /// For a trust policy it is the quota by default (it can be raised to
    /// 4,096); inline policies share 10,240 for each role.
    pub fn character_limit(self) -> Option<usize> {
        match self {
            Kind::Identity => Some(6_144),
            Kind::Trust | Kind::Session => Some(2_048),
            Kind::ServiceControl => Some(10_240),
            Kind::ResourceControl => Some(5_120),
            Kind::Resource => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Identity => "identity policy",
            Kind::Trust => "trust policy",
            Kind::Session => "session policy",
            Kind::ServiceControl => "service control policy",
            Kind::ResourceControl => "resource control policy",
            Kind::Resource => "resource policy",
        })
    }
}

/// The version of the policy language. An absent `Version` is the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `2008-10-17`: `${…}` is plain text.
    V2008,
    /// `2012-10-17`: `${…}` is a policy variable.
    V2012,
}

/// `Allow` or `Deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Forbids, whatever grants.
    Deny,
}

/// An `Action`, `NotAction`, `Resource` or `NotResource` element.
#[derive(Clone, Debug)]
pub struct Patterns {
    pub(super) negated: bool,
    pub(super) patterns: Vec<Pattern>,
}

impl Patterns {
    /// Whether it is a `Not…` element.
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// The patterns in the author's order.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Whether one of the patterns (negation aside) is `*`.
    pub(super) fn names_everything(&self) -> bool {
        self.patterns.iter().any(Pattern::is_everything)
    }
}

/// One statement of a document.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Option<Principals>,
    pub(super) actions: Patterns,
    pub(super) resources: Option<Patterns>,
    pub(super) conditions: Vec<Condition>,
}

impl Statement {
    /// The statement's id, a label without meaning.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Whether it grants or forbids.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Whom it speaks of; `None` in policies attached to an identity.
    pub fn principals(&self) -> Option<&Principals> {
        self.principals.as_ref()
    }

    /// The actions it speaks of.
    pub fn actions(&self) -> &Patterns {
        &self.actions
    }

    /// The resources it speaks of; `None` in trust policies.
    pub fn resources(&self) -> Option<&Patterns> {
        self.resources.as_ref()
    }

    /// The conditions, all of which must hold.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// A parsed policy document. Cloning shares.
///
/// Two documents are equal (`==`) when they are of the same kind and have the
/// same canonical form, which is a matter of spelling; whether two documents
/// that are not equal still mean the same is for [`super::compare()`] to say.
#[derive(Clone)]
pub struct Document(Arc<Inner>);

struct Inner {
    kind: Kind,
    text: String,
    version: Version,
    statements: Vec<Statement>,
    canonical: OnceLock<canonical::Canonical>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// When the text is no JSON, or breaks the grammar of its kind; the error
    /// names the place, what stands there and what may stand there.
    pub fn parse(kind: Kind, text: &str) -> Result<Document, ParseError> {
        let parsed = parse::document(kind, text)?;
        Ok(Document::assembled(
            kind,
            parsed.text,
            parsed.version,
            parsed.statements,
        ))
    }

    pub(super) fn assembled(
        kind: Kind,
        text: String,
        version: Version,
        statements: Vec<Statement>,
    ) -> Document {
        Document(Arc::new(Inner {
            kind,
            text,
            version,
            statements,
            canonical: OnceLock::new(),
        }))
    }

    /// What kind of policy this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The author's own JSON without white space between its tokens: what is
    /// written to AWS.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The number of characters that count against AWS's limits: all but
    /// white space between tokens. (White space inside strings is counted, so
    /// this is never less than what AWS counts.)
    pub fn size(&self) -> usize {
        self.0.text.chars().count()
    }

    /// The version of the language it is written in.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// The statements in the author's order.
    pub fn statements(&self) -> &[Statement] {
        &self.0.statements
    }

    /// A digest (64 hexadecimal digits) that two spellings of one document
    /// share: order, repetition, lists of one, case of actions and keys, Sids,
    /// account ids and root ARNs, a `Version` that no variable depends on.
    /// Documents of equal meaning but different structure may differ here.
    pub fn fingerprint(&self) -> &str {
        &self.canonical().fingerprint
    }

    /// The document in canonical spelling, as JSON of our own shape. For
    /// people who want to see why two documents are the same.
    pub fn canonical_text(&self) -> &str {
        &self.canonical().text
    }

    /// The canonical spelling of each statement, in the author's order.
    pub(super) fn rows(&self) -> &[String] {
        &self.canonical().rows
    }

    fn canonical(&self) -> &canonical::Canonical {
        self.0
            .canonical
            .get_or_init(|| canonical::of(self.0.kind, &self.0.statements))
    }

    /// Principals that no longer exist: where IAM shows a unique id (`AROA…`,
    /// `AIDA…`) in place of an ARN, since the user or role was deleted. One
    /// created again under the same name is not the one meant.
    pub fn dead_principals(&self) -> Vec<&str> {
        let mut dead: Vec<&str> = Vec::new();
        let all = self.statements().iter().filter_map(Statement::principals);
        for name in all.flat_map(Principals::names) {
            if let Name::Dead(id) = name
                && !dead.contains(&id.as_str())
            {
                dead.push(id);
            }
        }
        dead
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}, {})", self.kind(), self.text())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Document) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.kind() == other.kind()
                && (self.text() == other.text() || self.fingerprint() == other.fingerprint()))
    }
}

impl Eq for Document {}
