//! The checks themselves: they find what they are there to find.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Hand, allowing, form, trusting};
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::policy::{Document, Kind, Principal};
use rolekeeper_simulator::check::Probe;
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::ports::{InProcess, Lost, Time};
use rolekeeper_simulator::{DEMO_VENDOR, HUB_ACCESS_KEY, Simulator, VENDOR_ACCESS_KEY};

fn probe(account: &str, action: &str) -> Probe {
    Probe {
        principal: Principal::User {
            arn: format!("arn:aws:iam::{account}:user/engine"),
        },
        external_id: None,
        action: action.to_owned(),
        resource: "*".to_owned(),
    }
}

/// Who trusts whom, and what the role may do: before, wanted.
fn exposed(grant_first: bool) -> Vec<String> {
    let hub = Hand::tame(1);
    let (_, admin) = hub.first_account();
    let (stranger, vendor) = ("111122223333", DEMO_VENDOR);
    admin.iam(
        "CreateRole",
        &[
            ("RoleName", "R"),
            ("AssumeRolePolicyDocument", &trusting(stranger)),
        ],
    );
    let start = hub.world.history().len();
    let grant = || {
        let document = allowing("s3:*");
        admin.iam(
            "PutRolePolicy",
            &[
                ("RoleName", "R"),
                ("PolicyName", "P"),
                ("PolicyDocument", &document),
            ],
        );
    };
    let turn = || {
        admin.iam(
            "UpdateAssumeRolePolicy",
            &[("RoleName", "R"), ("PolicyDocument", &trusting(vendor))],
        );
    };
    if grant_first {
        grant();
        turn();
    } else {
        turn();
        grant();
    }
    let trust = Document::parse(Kind::Trust, &trusting(vendor)).unwrap();
    let policy = Document::parse(Kind::Identity, &allowing("s3:*")).unwrap();
    let probes = [
        probe(stranger, "s3:GetObject"),
        probe(vendor, "s3:GetObject"),
        probe(vendor, "iam:CreateUser"),
    ];
    let found = hub.world.exposures("R", &trust, &[policy], &probes, start);
    found
        .into_iter()
        .map(|exposure| {
            format!(
                "{} after {}",
                exposure.probe.principal.arn().unwrap(),
                exposure.mutation.operation
            )
        })
        .collect()
}

#[test]
fn permissions_before_the_right_trust_expose_and_after_it_do_not() {
    assert_eq!(
        exposed(true),
        ["arn:aws:iam::111122223333:user/engine after PutRolePolicy"]
    );
    assert_eq!(exposed(false), [""; 0]);
}

#[test]
fn what_the_probe_says_the_vendor_finds() {
    let hub = Hand::hub(Simulator::builder().accounts(1).provisioned().world());
    let account = hub.world.reachable()[0];
    let mut probe = probe(DEMO_VENDOR, "ec2:DescribeInstances");
    assert!(
        !hub.world
            .can(account, rolekeeper_simulator::DEMO_ROLE, &probe)
    );
    probe.external_id = Some(rolekeeper_simulator::DEMO_EXTERNAL_ID.to_owned());
    assert!(
        hub.world
            .can(account, rolekeeper_simulator::DEMO_ROLE, &probe)
    );
    let vendor = hub.with_keys(VENDOR_ACCESS_KEY, None);
    assert_eq!(
        vendor.sts("GetCallerIdentity", &[]).text("Account"),
        Some(DEMO_VENDOR)
    );
}

/// Tokio's own time, which a test can stop.
#[derive(Clone, Copy)]
struct Paused(tokio::time::Instant);

impl Time for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock, and it stands still"
    )]
    async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of this test stands still"
)]
async fn behind_a_client_in_the_same_process_only_simulated_time_goes_by() {
    let world = Simulator::builder()
        .accounts(1)
        .latency(Duration::from_secs(3_600))
        .world();
    let start = tokio::time::Instant::now();
    let face = InProcess::new(Arc::new(world), Paused(start));
    let identity = || {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={HUB_ACCESS_KEY}/20261124/us-east-1/sts/aws4_request, Signature=0"
        );
        let body = form(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
        Request::builder()
            .method("POST")
            .header("authorization", signed)
            .body(Bytes::from(body))
            .unwrap()
    };
    let answer = face.handle(identity()).await.unwrap();
    assert_eq!(
        (answer.status(), start.elapsed().as_secs()),
        (StatusCode::OK, 3_600)
    );
    face.world().script(
        Script::on(
            "GetCallerIdentity",
            Fault {
                effect: Effect::Done,
                trouble: Trouble::Timeout,
            },
        )
        .nth(1),
    );
    let never = tokio::time::timeout(Duration::from_secs(86_400), face.handle(identity())).await;
    assert!(never.is_err());
    face.world().script(
        Script::on(
            "GetCallerIdentity",
            Fault {
                effect: Effect::None,
                trouble: Trouble::Cut,
            },
        )
        .nth(1),
    );
    assert_eq!(face.handle(identity()).await.unwrap_err(), Lost::Cut);
}
