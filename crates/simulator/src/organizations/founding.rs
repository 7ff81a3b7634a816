//! An organization made from a seed: how companies name and nest things.

use std::sync::Arc;

use rolekeeper_domain::account::{AccountId, AccountState};

use crate::iam::paper::Paper;
use crate::iam::state::Text;
use crate::organizations::tree::{FULL_ACCESS, Guard, GuardKind, Member, Tree, Unit, UnitIndex};
use crate::seed::{below, choose, lower_id, mix, part_of, word};
use crate::settings::Settings;

/// When the oldest account of a made-up organization joined: 2019-03-04T08:00:00Z.
const FOUNDED: i64 = 1_551_686_400;
/// About five years in seconds: the accounts joined over that time.
const YEARS: usize = 157_000_000;

/// Units as paths, with how many of a hundred accounts hang there.
const UNITS: &[(&str, u64)] = &[
    ("security", 1),
    ("infrastructure", 1),
    ("infrastructure/network", 2),
    ("infrastructure/shared-services", 2),
    ("prod", 1),
    ("prod/payments", 9),
    ("prod/payments/cards", 5),
    ("prod/retail", 12),
    ("prod/data", 9),
    ("prod/platform", 7),
    ("staging", 2),
    ("staging/payments", 6),
    ("staging/retail", 7),
    ("staging/data", 6),
    ("dev", 3),
    ("dev/payments", 5),
    ("dev/retail", 5),
    ("dev/data", 4),
    ("sandbox", 10),
    ("acquired", 2),
    ("suspended", 1),
];

const TEAMS: &[&str] = &[
    "payments",
    "ledger",
    "checkout",
    "search",
    "catalog",
    "pricing",
    "logistics",
    "fraud",
    "identity",
    "billing",
    "analytics",
    "reporting",
    "mobile",
    "partner",
    "loyalty",
    "inventory",
    "support",
    "marketing",
    "risk",
    "media",
];
const THINGS: &[&str] = &[
    "api", "events", "lake", "batch", "core", "edge", "web", "jobs", "models", "gateway",
    "archive", "stream", "vault", "console", "metrics", "mail",
];

/// Names that try to break out of HTML, CSV, terminals and logs. All are
/// names that Organizations takes: printable ASCII, 50 characters at most.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "=HYPERLINK(\"http://example.com\",\"x\")",
    "\"><img src=x onerror=alert(1)>",
    "+1+1|cmd",
    "{{constructor.constructor('x')()}}",
    "a,b\"c;d",
    "${account_id}",
    "-- DROP TABLE accounts",
];

/// Builds the organization.
pub(crate) fn found(settings: &Settings) -> Tree {
    let seed = settings.seed;
    let id: Text = lower_id("o-", 10, mix(seed, &[word("organization")])).into();
    let key = lower_id("", 4, mix(seed, &[word("root")]));
    let root = Unit {
        id: format!("r-{key}").into(),
        name: "Root".into(),
        parent: None,
        tags: Vec::new(),
    };
    let mut tree = Tree::new(id, root);
    let units = plant_units(&mut tree, seed, &key);
    let inactive = inactive(settings);
    tree.add_member(Member {
        id: account_id(seed, 0),
        name: "management".into(),
        state: AccountState::Active,
        parent: 0,
        joined: FOUNDED,
        invited: false,
        tags: Vec::new(),
    });
    let vocabulary = Vocabulary::default();
    for index in 1..=settings.accounts {
        let mut member = vocabulary.member(settings, index, &units);
        if let Ok(place) = inactive.binary_search_by_key(&index, |(index, _)| *index)
            && let Some((_, state)) = inactive.get(place)
        {
            member.state = state.clone();
        }
        tree.add_member(member);
    }
    let full = Guard {
        id: FULL_ACCESS.into(),
        name: "FullAWSAccess".into(),
        description: "Allows access to every operation".into(),
        kind: GuardKind::ServiceControl,
        aws_managed: true,
        paper: Paper::known(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
        ),
    };
    // Attached everywhere, as in a fresh organization; units made later get it too.
    for unit in &tree.units {
        tree.attachments
            .insert(Arc::clone(&unit.id), vec![Arc::clone(&full.id)]);
    }
    tree.guards.push(full);
    tree
}

fn plant_units(tree: &mut Tree, seed: u64, key: &str) -> Vec<UnitIndex> {
    let mut planted: Vec<(&str, UnitIndex)> = Vec::new();
    let mut drawn_from = Vec::new();
    for &(path, weight) in UNITS {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = planted
            .iter()
            .find(|(known, _)| *known == parent)
            .map_or(0, |&(_, index)| index);
        let id = lower_id(&format!("ou-{key}-"), 8, mix(seed, &[word(path)]));
        let unit = Unit {
            id: id.into(),
            name: name.into(),
            parent: Some(parent),
            tags: Vec::new(),
        };
        let index = tree.add_unit(unit);
        planted.push((path, index));
        drawn_from.extend((0..weight).map(|_| index));
    }
    drawn_from
}

/// Which accounts are not active, by index, and what they are instead.
fn inactive(settings: &Settings) -> Vec<(u32, AccountState)> {
    let members: Vec<u32> = (1..=settings.accounts).collect();
    let count = part_of(members.len(), settings.inactive);
    let states = [
        AccountState::Suspended,
        AccountState::Closed,
        AccountState::PendingClosure,
        AccountState::Suspended,
        AccountState::PendingActivation,
    ];
    let mut chosen: Vec<(u32, AccountState)> = choose(settings.seed, "inactive", &members, count)
        .into_iter()
        .zip(states.into_iter().cycle())
        .collect();
    chosen.sort_unstable_by_key(|(index, _)| *index);
    chosen
}

/// The id of the account with this index: twelve digits, all different.
pub(crate) fn account_id(seed: u64, index: u32) -> AccountId {
    /// How many numbers have twelve digits and do not begin with 0 or 9:
    /// the nines are left for accounts outside the organization.
    const RANGE: u64 = 800_000_000_000;
    // The step has no factor in common with the range, so no number comes twice.
    const STEP: u64 = 618_033_988_751;
    let start = mix(seed, &[word("account")]) % RANGE;
    let offset = (u128::from(start) + u128::from(index) * u128::from(STEP)) % u128::from(RANGE);
    let digits = format!("{}", 100_000_000_000 + offset);
    digits.parse().unwrap_or_else(|_| unreachable_id())
}

#[expect(
    clippy::panic,
    reason = "100,000,000,000 plus less than 800,000,000,000 has twelve digits"
)]
fn unreachable_id() -> AccountId {
    panic!("an account id of twelve digits")
}

/// The words that names and tags are made of, shared between accounts.
pub(crate) struct Vocabulary {
    keys: [Text; 3],
    teams: Vec<Text>,
    stages: [Text; 4],
    centers: Vec<Text>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self {
            keys: ["team".into(), "environment".into(), "cost-center".into()],
            teams: TEAMS.iter().map(|&team| team.into()).collect(),
            stages: [
                "prod".into(),
                "staging".into(),
                "dev".into(),
                "sandbox".into(),
            ],
            centers: (0..40)
                .map(|n| format!("CC-{}", 4_000 + n * 7).into())
                .collect(),
        }
    }
}

impl Vocabulary {
    fn member(&self, settings: &Settings, index: u32, units: &[UnitIndex]) -> Member {
        let draw = |what: &str| mix(settings.seed, &[word(what), u64::from(index)]);
        let parent = units
            .get(below(draw("unit"), units.len()))
            .copied()
            .unwrap_or(0);
        let team = self.teams.get(below(draw("team"), self.teams.len()));
        let thing = THINGS
            .get(below(draw("thing"), THINGS.len()))
            .copied()
            .unwrap_or("core");
        let stage = self.stages.get(below(draw("stage"), self.stages.len()));
        let center = self.centers.get(below(draw("center"), self.centers.len()));
        let spoken = format!("{}-{thing}-{index:05}", team.map_or("team", |team| team));
        let hostile = HOSTILE.get(below(draw("hostile"), HOSTILE.len()));
        let name = match hostile {
            Some(hostile) if settings.hostile_names && index % 4 == 1 => (*hostile).into(),
            _ => spoken.into(),
        };
        let values = [team, stage, center];
        let tags = self
            .keys
            .iter()
            .zip(values)
            .filter_map(|(key, value)| Some((Arc::clone(key), Arc::clone(value?))));
        Member {
            id: account_id(settings.seed, index),
            name,
            state: AccountState::Active,
            parent,
            joined: FOUNDED + i64::try_from(below(draw("joined"), YEARS)).unwrap_or(0),
            invited: draw("invited") % 20 == 0,
            tags: tags.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::found;
    use crate::settings::Settings;

    #[test]
    fn a_seed_always_founds_the_same_organization() {
        let settings = Settings {
            accounts: 200,
            ..Settings::default()
        };
        let (first, second) = (found(&settings), found(&settings));
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
        let other = found(&Settings {
            seed: 2,
            ..settings
        });
        assert_ne!(first.id, other.id);
    }

    #[test]
    fn ids_differ_and_shares_are_met_exactly() {
        let tree = found(&Settings {
            accounts: 5_000,
            inactive: 0.02,
            ..Settings::default()
        });
        let ids: BTreeSet<_> = tree.members.iter().map(|member| member.id).collect();
        assert_eq!(ids.len(), 5_001);
        assert_eq!(
            tree.members
                .iter()
                .filter(|member| !member.is_usable())
                .count(),
            100
        );
    }
}
