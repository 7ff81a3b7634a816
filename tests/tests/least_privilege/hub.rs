//! What the hub itself needs: to know the organization, to enter its accounts, to learn of events.

use std::collections::BTreeMap;

use rolekeeper_aws::{EventQueue, queue_arn};
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::least_privilege::{Audience, Grant, Scope, document_of, grants_for};
use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::policy::Kind;
use rolekeeper_domain::selector::{Rules, Selector};
use rolekeeper_engine::port::directory::Directory as _;
use rolekeeper_simulator::{Events, Service, Settings};
use rolekeeper_tests::sim::hand::between;
use rolekeeper_tests::sim::rig::{self, order};
use tokio_util::sync::CancellationToken;

use crate::stage::{ADMIN, Stage, actions, denied, encoded, full, names, scope, without};

/// The role that reads the organization.
const READER: &str = "OrganizationReader";

/// A sweep that has to read all of the organization that there is to read: accounts come without their place, and
/// tags decide.
fn whole() -> Scope {
    Scope {
        tag_selectors: true,
        units_listed: true,
        source_identity: true,
        ..scope(&full(), false)
    }
}

fn stage() -> Stage {
    let settings = Settings {
        paths_field: false,
        ..rig::calm(2)
    };
    let stage = Stage::new(settings, &full(), &full());
    // Who wants to see a source identity has to let the admin role's callers set one.
    let management = stage.world.management_account().unwrap();
    let trust = trusting(&format!("arn:aws:iam::{management}:root"));
    for account in &stage.accounts {
        let form = format!(
            "Action=UpdateAssumeRolePolicy&RoleName={ADMIN}&PolicyDocument={}",
            encoded(&trust)
        );
        stage.admin(*account).ask(Service::Iam, &form);
    }
    stage
}

/// A trust policy for a principal that may say who it is.
fn trusting(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}}]}}"#
    )
}

/// What an audit of the stage says: of the accounts where they could be listed, else of itself.
async fn audited(stage: &Stage, aws: rolekeeper_aws::Settings, action: Option<&str>) {
    let aws = rolekeeper_aws::Settings {
        source_identity: Some("rolekeeper".to_owned()),
        ..aws
    };
    let process = stage
        .process(aws, |settings| {
            settings.selector = Selector {
                exclude: Rules {
                    tags: BTreeMap::from([("keep".to_owned(), "out".to_owned())]),
                    ..Rules::default()
                },
                ..Selector::default()
            };
        })
        .await;
    let swept = process
        .engine
        .sweep(order(Mode::Audit), CancellationToken::new())
        .await;
    match (swept, action) {
        (Ok(record), None) => {
            let reports = stage.reports(&record);
            assert_eq!(reports.len(), 2);
            assert!(
                reports.iter().all(|report| report.failure.is_none()),
                "{reports:?}"
            );
        }
        (Ok(record), Some(action)) => {
            let reports = stage.reports(&record);
            assert!(denied(&reports, action), "{action} was not missed");
        }
        (Err(error), Some(action)) => {
            assert!(names(&format!("{error:?}"), action), "{action}: {error:?}");
        }
        (Err(error), None) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_hub_a_sweep_fails_and_names_it() {
    let hub = grants_for(Audience::Hub, &whole());
    let admin = grants_for(Audience::Admin, &whole());
    let everything = stage();
    everything.narrow(&hub, &admin);
    audited(&everything, rig::hub(), None).await;
    for action in actions(&hub) {
        let stage = stage();
        stage.narrow(&without(&hub, &action), &admin);
        audited(&stage, rig::hub(), Some(&action)).await;
    }
}

/// The same where the organization is read through a role: the hub itself may then only assume roles.
#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_role_that_reads_the_organization_a_sweep_fails_and_names_it()
{
    let management = stage().world.management_account().unwrap();
    let role = format!("arn:aws:iam::{management}:role/{READER}");
    let scope = Scope {
        organization_role: Some(role.parse().unwrap()),
        ..whole()
    };
    let hub = grants_for(Audience::Hub, &scope);
    let admin = grants_for(Audience::Admin, &scope);
    let reader = grants_for(Audience::Organization, &scope);
    assert!(
        !actions(&hub)
            .iter()
            .any(|action| action.starts_with("organizations:"))
    );
    let tried = actions(&reader);
    let tried = tried.iter().map(Some).chain([None]);
    for action in tried {
        let stage = stage();
        let left = action.map_or_else(|| reader.clone(), |action| without(&reader, action));
        add_reader(&stage, &left);
        stage.narrow(&hub, &admin);
        let aws = rolekeeper_aws::Settings {
            organization_role: scope.organization_role.clone(),
            ..rig::hub()
        };
        audited(&stage, aws, action.map(String::as_str)).await;
    }
}

fn add_reader(stage: &Stage, grants: &[Grant]) {
    let user = stage.hub();
    let hub = between(&user.ask(Service::Iam, "Action=GetUser"), "Arn");
    let trust = trusting(&hub);
    for form in [
        format!(
            "Action=CreateRole&RoleName={READER}&AssumeRolePolicyDocument={}",
            encoded(&trust)
        ),
        format!(
            "Action=PutRolePolicy&RoleName={READER}&PolicyName=least&PolicyDocument={}",
            encoded(&document_of(grants))
        ),
    ] {
        user.ask(Service::Iam, &form);
    }
}

/// Reads an event, puts it back, takes it off and looks how many are left; the first thing that is refused.
async fn read_events(queue: &EventQueue, stage: &Stage) -> Result<(), Fault> {
    stage.world.add_account("fresh");
    stage.clock.wait(std::time::Duration::from_secs(60)).await;
    let messages = queue.receive().await?;
    let first = messages.first().unwrap();
    queue
        .postpone(first, std::time::Duration::from_secs(60))
        .await?;
    queue.delete(first).await?;
    queue.backlog().await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_on_the_queue_events_are_not_read_and_the_action_is_named() {
    let made = || {
        let settings = Settings {
            events: Some(Events::default()),
            ..rig::calm(2)
        };
        Stage::new(settings, &full(), &full())
    };
    let url = made().world.queue_url().unwrap();
    let listening = Scope {
        queue: queue_arn(&url, Partition::Aws),
        ..scope(&full(), false)
    };
    let hub = grants_for(Audience::Hub, &listening);
    let silent = grants_for(Audience::Hub, &scope(&full(), false));
    let added: Vec<String> = actions(&hub)
        .difference(&actions(&silent))
        .cloned()
        .collect();
    assert_eq!(added.len(), 4, "{added:?}");
    for action in added.iter().map(Some).chain([None]) {
        let stage = made();
        let left = action.map_or_else(|| hub.clone(), |action| without(&hub, action));
        stage.narrow(&left, &grants_for(Audience::Admin, &listening));
        let process = stage.process(rig::hub(), |_| {}).await;
        let read = read_events(&process.aws.event_queue(&url), &stage).await;
        match action {
            None => assert_eq!(read, Ok(())),
            Some(action) => {
                let fault = read.unwrap_err().to_string();
                assert!(
                    fault.contains("AccessDenied") && fault.contains(action),
                    "{fault}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_on_the_organizations_policies_check_cannot_read_them() {
    let walls = Scope {
        walls: true,
        ..scope(&full(), false)
    };
    let hub = grants_for(Audience::Hub, &walls);
    let blind = grants_for(Audience::Hub, &scope(&full(), false));
    let added: Vec<String> = actions(&hub)
        .difference(&actions(&blind))
        .cloned()
        .collect();
    assert_eq!(added.len(), 2, "{added:?}");
    for action in added.iter().map(Some).chain([None]) {
        let stage = Stage::new(rig::calm(2), &full(), &full());
        let root = stage.world.root_id();
        let denies = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}"#;
        stage
            .world
            .attach_service_control_policy(&root, denies)
            .unwrap();
        let left = action.map_or_else(|| hub.clone(), |action| without(&hub, action));
        stage.narrow(&left, &grants_for(Audience::Admin, &walls));
        let process = stage.process(rig::hub(), |_| {}).await;
        let directory = process.aws.directory();
        let read = async {
            let listed = directory
                .policies(&root, Kind::ServiceControl, None)
                .await?;
            let id = &listed.items.last().unwrap().id;
            directory.policy(id).await
        };
        match (read.await, action) {
            (Ok(text), None) => assert!(text.contains("s3:DeleteBucket"), "{text}"),
            (Err(fault), Some(action)) => assert!(names(&fault.to_string(), action), "{fault}"),
            (read, action) => panic!("{action:?}: {read:?}"),
        }
    }
}
