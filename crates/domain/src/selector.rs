//! Which accounts are looked at, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::account::{Account, AccountId, AccountState, OuPath};
use crate::fault::{Category, Fault};
use crate::outcome::SkipReason;

/// Rules that name accounts.
///
/// An account matches when any organizational unit, any id, or the tags match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Organizational units with everything below them: an id (`ou-ab12-11111111`, `r-ab12`), or a
    /// path of names from the root (`prod/payments`); `/` alone is the root.
    pub ous: Vec<String>,
    /// Account ids.
    pub accounts: BTreeSet<AccountId>,
    /// Tags. Including wants all of them; one alone excludes. Both readings leave out rather than take in.
    pub tags: BTreeMap<String, String>,
}

impl Rules {
    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.ous.is_empty() && self.accounts.is_empty() && self.tags.is_empty()
    }
}

/// Which accounts are meant. Exclude wins; no include rule means all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// What is taken in.
    pub include: Rules,
    /// What is left out, whatever includes it.
    pub exclude: Rules,
}

impl Selector {
    /// Whether any rule asks for tags: only then are they worth reading.
    pub fn needs_tags(&self) -> bool {
        !self.include.tags.is_empty() || !self.exclude.tags.is_empty()
    }

    /// Whether any rule asks for an organizational unit.
    pub const fn needs_paths(&self) -> bool {
        !self.include.ous.is_empty() || !self.exclude.ous.is_empty()
    }
}

/// What is done about the organization's management account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagementPolicy {
    /// It is left out.
    #[default]
    Skip,
    /// It is managed with the hub's own credentials.
    Include,
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// There is no include rule: every account is meant.
    Everything,
    /// An organizational unit, as the selector writes it.
    Ou(String),
    /// The account's own id.
    Account(AccountId),
    /// A tag (the first of several that had to match).
    Tag(String, String),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("every account is meant"),
            Self::Ou(ou) => write!(f, "organizational unit {ou}"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::Tag(key, value) => write!(f, "tag {key}={value}"),
        }
    }
}

/// What the selector says about one account, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// It is looked at.
    Included {
        /// The rule that takes it in.
        by: Rule,
    },
    /// A rule leaves it out.
    Excluded {
        /// That rule.
        by: Rule,
    },
    /// No include rule matches it.
    Unmatched,
    /// It is the management account, and that is skipped.
    Management,
    /// Its state does not allow to look at it.
    Ineligible(SkipReason),
    /// It cannot be said: its state or its place is unknown. A failed account,
    /// neither active nor dropped.
    Undecided(Fault),
}

impl Selection {
    /// Whether the account is looked at.
    pub const fn is_included(&self) -> bool {
        matches!(self, Self::Included { .. })
    }

    /// Why it is skipped, if it is skipped.
    pub const fn skip_reason(&self) -> Option<SkipReason> {
        match self {
            Self::Included { .. } | Self::Undecided(_) => None,
            Self::Excluded { .. } => Some(SkipReason::Excluded),
            Self::Unmatched => Some(SkipReason::NotSelected),
            Self::Management => Some(SkipReason::ManagementAccount),
            Self::Ineligible(reason) => Some(*reason),
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Included { by } => write!(f, "selected: {by}"),
            Self::Excluded { by } => write!(f, "excluded: {by}"),
            Self::Unmatched => f.write_str("no include rule matches it"),
            Self::Management => {
                f.write_str("it is the management account (aws.management_account = \"skip\")")
            }
            Self::Ineligible(reason) => write!(f, "its state is {reason}"),
            Self::Undecided(fault) => write!(f, "undecided: {}", fault.message),
        }
    }
}

/// Says whether an account is looked at.
///
/// The rules come before the state: an account that nobody selected is nobody's business, whatever its state. But
/// tags of an account that is surely not active are not read, and where they would decide the state does.
pub fn select(account: &Account, selector: &Selector, management: ManagementPolicy) -> Selection {
    if selector.needs_paths() && account.path.ids.is_empty() {
        return Selection::Undecided(Fault::new(
            Category::Service,
            "its organizational unit is unknown, so the selector cannot be applied",
        ));
    }
    if let Some(by) = excluding(account, &selector.exclude) {
        return Selection::Excluded { by };
    }
    let ineligible = ineligible(&account.state);
    let by = including(account, &selector.include);
    match (by, ineligible) {
        (None, Some(reason)) if !selector.include.tags.is_empty() => Selection::Ineligible(reason),
        (None, _) => Selection::Unmatched,
        (Some(_), _) if account.is_management && management == ManagementPolicy::Skip => {
            Selection::Management
        }
        (Some(_), Some(reason)) => Selection::Ineligible(reason),
        (Some(by), None) => match &account.state {
            AccountState::Unknown(found) => Selection::Undecided(unknown_state(found.as_deref())),
            _ => Selection::Included { by },
        },
    }
}

/// Why an account of this state is surely not to be entered.
const fn ineligible(state: &AccountState) -> Option<SkipReason> {
    match state {
        AccountState::Active | AccountState::Unknown(_) => None,
        AccountState::Suspended => Some(SkipReason::Suspended),
        AccountState::PendingClosure => Some(SkipReason::PendingClosure),
        AccountState::Closed => Some(SkipReason::Closed),
        AccountState::PendingActivation => Some(SkipReason::PendingActivation),
    }
}

/// Whether the rules ask for the tags of an account of this state.
pub const fn wants_tags(state: &AccountState) -> bool {
    ineligible(state).is_none()
}

fn unknown_state(found: Option<&str>) -> Fault {
    let message = match found {
        Some(state) => {
            format!("Organizations gives it the state `{state}`, which this version does not know")
        }
        None => "Organizations gives it neither a State nor a Status".to_owned(),
    };
    Fault::new(Category::Service, message)
}

fn including(account: &Account, rules: &Rules) -> Option<Rule> {
    if rules.is_empty() {
        return Some(Rule::Everything);
    }
    let all_tags = !rules.tags.is_empty()
        && rules
            .tags
            .iter()
            .all(|(key, value)| has_tag(account, key, value));
    by_name(account, rules).or_else(|| {
        let (key, value) = rules.tags.iter().next().filter(|_| all_tags)?;
        Some(Rule::Tag(key.clone(), value.clone()))
    })
}

fn excluding(account: &Account, rules: &Rules) -> Option<Rule> {
    by_name(account, rules).or_else(|| {
        let (key, value) = rules
            .tags
            .iter()
            .find(|(key, value)| has_tag(account, key, value))?;
        Some(Rule::Tag(key.clone(), value.clone()))
    })
}

fn by_name(account: &Account, rules: &Rules) -> Option<Rule> {
    if rules.accounts.contains(&account.id) {
        return Some(Rule::Account(account.id));
    }
    let ou = rules.ous.iter().find(|ou| is_below(&account.path, ou))?;
    Some(Rule::Ou(ou.clone()))
}

fn has_tag(account: &Account, key: &str, value: &str) -> bool {
    account
        .tags
        .iter()
        .any(|(found_key, found)| found_key == key && found == value)
}

/// Whether a place is the given unit or below it.
fn is_below(path: &OuPath, ou: &str) -> bool {
    if path.ids.iter().any(|id| id == ou) {
        return true;
    }
    let wanted = ou.trim_matches('/');
    if wanted.is_empty() {
        return ou.starts_with('/');
    }
    let place = path.names.join("/");
    place
        .strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A rule that no account matches: most often a slip of the pen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleRule {
    /// Whether it would leave accounts out.
    pub excludes: bool,
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for IdleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.excludes { "exclude" } else { "include" };
        write!(f, "select.{side}: no account matches {}", self.rule)
    }
}

/// The rules of a selector that no account has matched so far.
#[derive(Clone, Debug, Default)]
pub struct IdleRules(Vec<IdleRule>);

impl IdleRules {
    /// All rules of a selector: no account has been seen yet.
    pub fn of(selector: &Selector) -> Self {
        let of_side = |excludes: bool, rules: &Rules| -> Vec<IdleRule> {
            let ous = rules.ous.iter().cloned().map(Rule::Ou);
            let accounts = rules.accounts.iter().copied().map(Rule::Account);
            let tags = rules.tags.iter();
            let tags = tags.map(|(key, value)| Rule::Tag(key.clone(), value.clone()));
            let all = ous.chain(accounts).chain(tags);
            all.map(|rule| IdleRule { excludes, rule }).collect()
        };
        let mut all = of_side(false, &selector.include);
        all.extend(of_side(true, &selector.exclude));
        Self(all)
    }

    /// Takes an account of the organization into account.
    pub fn see(&mut self, account: &Account) {
        self.0.retain(|idle| match &idle.rule {
            Rule::Everything => false,
            Rule::Ou(ou) => !is_below(&account.path, ou),
            Rule::Account(id) => account.id != *id,
            Rule::Tag(key, value) => !has_tag(account, key, value),
        });
    }

    /// Those that none of the accounts matches.
    pub fn left(&self) -> &[IdleRule] {
        &self.0
    }
}
