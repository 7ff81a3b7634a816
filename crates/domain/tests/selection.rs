//! Which accounts are looked at, and why the others are not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rolekeeper_domain::account::{Account, AccountId, AccountState, OuPath};
use rolekeeper_domain::outcome::SkipReason;
use rolekeeper_domain::selector::{
    IdleRules, ManagementPolicy, Rules, Selection, Selector, select,
};

fn id(number: u64) -> AccountId {
    format!("{number:012}").parse().unwrap()
}

/// An active account at a place; ids are made from the names.
fn at(path: &[&str]) -> Account {
    let mut ids = vec!["r-ab12".to_owned()];
    ids.extend(path.iter().map(|name| format!("ou-ab12-{name}")));
    Account {
        id: id(1),
        name: "one".to_owned(),
        state: AccountState::Active,
        path: OuPath {
            ids,
            names: path.iter().map(|name| (*name).to_owned()).collect(),
        },
        is_management: false,
        tags: vec![
            ("env".to_owned(), "prod".to_owned()),
            ("team".to_owned(), "data".to_owned()),
        ],
    }
}

fn ous(names: &[&str]) -> Rules {
    Rules {
        ous: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Rules::default()
    }
}

fn tags(pairs: &[(&str, &str)]) -> Rules {
    let tags = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Rules {
        tags,
        ..Rules::default()
    }
}

fn accounts(numbers: &[u64]) -> Rules {
    Rules {
        accounts: numbers.iter().map(|number| id(*number)).collect(),
        ..Rules::default()
    }
}

#[track_caller]
fn check(account: &Account, include: Rules, exclude: Rules, expected: &Expect) {
    let selection = select(
        account,
        &Selector { include, exclude },
        ManagementPolicy::Skip,
    );
    let reason = selection
        .skip_reason()
        .map_or(String::new(), |reason| format!(" [{reason}]"));
    expected.assert_eq(&format!("{selection}{reason}"));
}

#[test]
fn without_rules_every_active_account_is_meant() {
    check(
        &at(&["prod"]),
        Rules::default(),
        Rules::default(),
        &expect!["selected: every account is meant"],
    );
}

#[test]
fn units_are_named_by_id_or_path_with_all_below() {
    let deep = at(&["prod", "payments", "cards"]);
    check(
        &deep,
        ous(&["prod"]),
        Rules::default(),
        &expect!["selected: organizational unit prod"],
    );
    check(
        &deep,
        ous(&["prod/payments"]),
        Rules::default(),
        &expect!["selected: organizational unit prod/payments"],
    );
    check(
        &deep,
        ous(&["/prod/payments/"]),
        Rules::default(),
        &expect!["selected: organizational unit /prod/payments/"],
    );
    check(
        &deep,
        ous(&["ou-ab12-payments"]),
        Rules::default(),
        &expect!["selected: organizational unit ou-ab12-payments"],
    );
    check(
        &deep,
        ous(&["r-ab12"]),
        Rules::default(),
        &expect!["selected: organizational unit r-ab12"],
    );
    check(
        &deep,
        ous(&["/"]),
        Rules::default(),
        &expect!["selected: organizational unit /"],
    );
    check(
        &deep,
        ous(&["payments"]),
        Rules::default(),
        &expect!["no include rule matches it [not_selected]"],
    );
    check(
        &deep,
        ous(&["prod/pay"]),
        Rules::default(),
        &expect!["no include rule matches it [not_selected]"],
    );
    check(
        &at(&[]),
        ous(&["prod"]),
        Rules::default(),
        &expect!["no include rule matches it [not_selected]"],
    );
}

#[test]
fn exclude_wins() {
    let deep = at(&["prod", "payments"]);
    check(
        &deep,
        ous(&["prod"]),
        ous(&["prod/payments"]),
        &expect!["excluded: organizational unit prod/payments [excluded]"],
    );
    check(
        &deep,
        accounts(&[1]),
        accounts(&[1]),
        &expect!["excluded: account 000000000001 [excluded]"],
    );
    check(
        &deep,
        Rules::default(),
        tags(&[("env", "prod"), ("absent", "x")]),
        &expect!["excluded: tag env=prod [excluded]"],
    );
}

#[test]
fn including_by_tags_wants_all_of_them() {
    check(
        &at(&["prod"]),
        tags(&[("env", "prod"), ("team", "data")]),
        Rules::default(),
        &expect!["selected: tag env=prod"],
    );
    check(
        &at(&["prod"]),
        tags(&[("env", "prod"), ("team", "web")]),
        Rules::default(),
        &expect!["no include rule matches it [not_selected]"],
    );
}

#[test]
fn states_that_cannot_be_looked_at_are_named() {
    let in_state = |state| Account {
        state,
        ..at(&["prod"])
    };
    for (state, expected) in [
        (
            AccountState::Suspended,
            expect!["its state is suspended [suspended]"],
        ),
        (
            AccountState::PendingClosure,
            expect!["its state is pending_closure [pending_closure]"],
        ),
        (
            AccountState::Closed,
            expect!["its state is closed [closed]"],
        ),
        (
            AccountState::PendingActivation,
            expect!["its state is pending_activation [pending_activation]"],
        ),
        (
            AccountState::Unknown(None),
            expect!["undecided: Organizations gives it neither a State nor a Status"],
        ),
        (
            AccountState::Unknown(Some("FROZEN".to_owned())),
            expect![
                "undecided: Organizations gives it the state `FROZEN`, which this version does not know"
            ],
        ),
    ] {
        check(
            &in_state(state),
            Rules::default(),
            Rules::default(),
            &expected,
        );
    }
}

#[test]
fn the_management_account_is_skipped_or_managed_as_configured() {
    let management = Account {
        is_management: true,
        ..at(&[])
    };
    check(
        &management,
        Rules::default(),
        Rules::default(),
        &expect![[
            r#"it is the management account (aws.management_account = "skip") [management_account]"#
        ]],
    );
    let managed = select(&management, &Selector::default(), ManagementPolicy::Include);
    assert!(managed.is_included());
}

#[test]
fn an_unknown_place_is_undecided_when_the_rules_ask_for_places() {
    let nowhere = Account {
        path: OuPath::default(),
        ..at(&[])
    };
    check(
        &nowhere,
        Rules::default(),
        ous(&["prod"]),
        &expect![
            "undecided: its organizational unit is unknown, so the selector cannot be applied"
        ],
    );
    check(
        &nowhere,
        accounts(&[1]),
        Rules::default(),
        &expect!["selected: account 000000000001"],
    );
}

#[test]
fn rules_that_match_nothing_are_named() {
    let selector = Selector {
        include: ous(&["prod", "prdo"]),
        exclude: accounts(&[1, 2]),
    };
    let mut rules = IdleRules::of(&selector);
    assert_eq!(rules.left().len(), 4);
    rules.see(&at(&["prod"]));
    let idle: Vec<String> = rules.left().iter().map(ToString::to_string).collect();
    expect![[r#"
        select.include: no account matches organizational unit prdo
        select.exclude: no account matches account 000000000002"#]]
    .assert_eq(&idle.join("\n"));
}

fn account() -> impl Strategy<Value = Account> {
    let states = prop::sample::select(vec![
        AccountState::Active,
        AccountState::Suspended,
        AccountState::Closed,
        AccountState::Unknown(None),
    ]);
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "ab"]), 0..4);
    (
        0_u64..4,
        states,
        path,
        any::<bool>(),
        prop::option::of(0_u8..2),
    )
        .prop_map(|(number, state, path, is_management, tag)| Account {
            id: id(number),
            state,
            is_management,
            tags: tag
                .map(|tag| ("t".to_owned(), tag.to_string()))
                .into_iter()
                .collect(),
            ..at(&path)
        })
}

fn rules() -> impl Strategy<Value = Rules> {
    let ous = prop::collection::vec(
        prop::sample::select(vec!["a", "b", "ab", "a/b", "/", "ou-ab12-b", "r-ab12"]),
        0..3,
    );
    let accounts = prop::collection::btree_set(0_u64..4, 0..2);
    let tags = prop::option::of(0_u8..2);
    (ous, accounts, tags).prop_map(|(ous, accounts, tag)| Rules {
        ous: ous.into_iter().map(str::to_owned).collect(),
        accounts: accounts.into_iter().map(id).collect(),
        tags: tag
            .map(|tag| ("t".to_owned(), tag.to_string()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exclude_always_wins(account in account(), include in rules(), exclude in rules()) {
        let all = Selector { include: exclude.clone(), exclude: Rules::default() };
        let both = Selector { include, exclude: exclude.clone() };
        let named = select(&Account { state: AccountState::Active, is_management: false, ..account.clone() }, &all, ManagementPolicy::Include);
        if named.is_included() && !exclude.is_empty() {
            let excluded = matches!(select(&account, &both, ManagementPolicy::Include), Selection::Excluded { .. });
            prop_assert!(excluded);
        }
    }

    #[test]
    fn only_active_accounts_are_ever_included(account in account(), include in rules(), exclude in rules()) {
        let selection = select(&account, &Selector { include, exclude }, ManagementPolicy::Include);
        prop_assert!(!selection.is_included() || account.state == AccountState::Active);
        let settled = selection.is_included() || selection.skip_reason().is_some();
        prop_assert!(settled || matches!(selection, Selection::Undecided(_)), "every account has a reason");
    }

    #[test]
    fn what_is_below_an_included_unit_is_included(path in prop::collection::vec(prop::sample::select(vec!["a", "b", "ab"]), 1..5), depth in 0_usize..5) {
        let unit = path[..depth.min(path.len())].join("/");
        let selector = Selector { include: ous(&[&format!("/{unit}")]), exclude: Rules::default() };
        prop_assert!(select(&at(&path), &selector, ManagementPolicy::Skip).is_included());
    }

    #[test]
    fn more_excluding_never_includes_more(account in account(), include in rules(), exclude in rules(), more in rules()) {
        let fewer = Selector { include: include.clone(), exclude: exclude.clone() };
        let mut joined = exclude;
        joined.ous.extend(more.ous);
        joined.accounts.extend(more.accounts);
        joined.tags.extend(more.tags.into_iter().filter(|(key, _)| key != "t"));
        let wider = select(&account, &Selector { include, exclude: joined }, ManagementPolicy::Skip);
        if wider.is_included() {
            prop_assert!(select(&account, &fewer, ManagementPolicy::Skip).is_included());
        }
    }
}

#[test]
fn skip_reasons_and_selections_match() {
    let excluded = Selection::Excluded {
        by: rolekeeper_domain::selector::Rule::Everything,
    };
    let reasons: BTreeSet<SkipReason> = [
        excluded,
        Selection::Unmatched,
        Selection::Management,
        Selection::Ineligible(SkipReason::Suspended),
        Selection::Ineligible(SkipReason::PendingClosure),
        Selection::Ineligible(SkipReason::Closed),
        Selection::Ineligible(SkipReason::PendingActivation),
    ]
    .iter()
    .filter_map(Selection::skip_reason)
    .collect();
    assert_eq!(reasons, SkipReason::ALL.iter().copied().collect());
}

#[test]
fn where_tags_would_decide_and_are_not_read_the_state_does() {
    let tagged = Rules {
        tags: [("env".to_owned(), "prod".to_owned())].into(),
        ..Rules::default()
    };
    let in_state = |state| Account {
        state,
        ..at(&["prod"])
    };
    for (state, expected) in [
        // These two were read: none of their tags is the one.
        (AccountState::Active, expect!["selected: tag env=prod"]),
        (
            AccountState::Unknown(None),
            expect!["undecided: Organizations gives it neither a State nor a Status"],
        ),
        (
            AccountState::Suspended,
            expect!["its state is suspended [suspended]"],
        ),
        (
            AccountState::Closed,
            expect!["its state is closed [closed]"],
        ),
    ] {
        check(
            &in_state(state),
            tagged.clone(),
            Rules::default(),
            &expected,
        );
    }
}
