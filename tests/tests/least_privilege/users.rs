//! What it needs to retire a temporary user.

use jiff::SignedDuration;
use rolekeeper_domain::least_privilege::{Grant, Scope};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, Trigger};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::retire::Retirement;
use rolekeeper_simulator::{Drift, Service};
use rolekeeper_tests::sim::rig;

use crate::stage::{Stage, USER, actions, both, denied, full, scope, without};

fn retiring() -> Scope {
    Scope {
        retired_users: [USER.to_owned()].into(),
        ..scope(&full(), false)
    }
}

/// One account with the role as it should be, and a user that has everything a user can have.
fn stage() -> Stage {
    let stage = Stage::new(rig::calm(1), &full(), &full());
    let account = stage.accounts[0];
    assert!(stage.world.plant(account, Drift::LegacyUser));
    let admin = stage.admin(account);
    let user = format!("UserName={USER}");
    for form in [
        format!("Action=CreateLoginProfile&{user}&Password=correct-horse-1"),
        format!("Action=AttachUserPolicy&{user}&PolicyArn=arn:aws:iam::aws:policy/SecurityAudit"),
        "Action=CreateGroup&GroupName=vendors".to_owned(),
        format!("Action=AddUserToGroup&{user}&GroupName=vendors"),
        "Action=CreateVirtualMFADevice&VirtualMFADeviceName=phone".to_owned(),
        format!(
            "Action=EnableMFADevice&{user}&SerialNumber=arn:aws:iam::{account}:mfa/phone&AuthenticationCode1=123456&AuthenticationCode2=654321"
        ),
        format!("Action=UploadSigningCertificate&{user}&CertificateBody=a-certificate"),
        format!("Action=UploadSSHPublicKey&{user}&SSHPublicKeyBody=ssh-rsa%20AAAA"),
        format!(
            "Action=CreateServiceSpecificCredential&{user}&ServiceName=codecommit.amazonaws.com"
        ),
    ] {
        admin.ask(Service::Iam, &form);
    }
    stage
}

async fn retired(hub: &[Grant], admin: &[Grant]) -> Vec<AccountReport> {
    let stage = stage();
    stage.narrow(hub, admin);
    let retire = SweepOrder {
        retire: Some(Retirement {
            user: USER.to_owned(),
            quiet_for: SignedDuration::from_hours(24),
        }),
        ..SweepOrder::new(Mode::Repair, Trigger::RetireUser, "ann")
    };
    let (_, reports) = stage.carry_out(retire).await.unwrap();
    let is_left = stage
        .world
        .user_names(stage.accounts[0])
        .contains(&USER.to_owned());
    let is_gone = reports
        .iter()
        .all(|report| report.outcome == Outcome::Repaired);
    assert_ne!(is_left, is_gone, "{reports:?}");
    reports
}

#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_retires_a_user() {
    let (hub, admin) = both(&retiring());
    let reports = retired(&hub, &admin).await;
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].outcome, Outcome::Repaired, "{reports:?}");
    assert_eq!(reports[0].steps.len(), 12, "{reports:?}");
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_admin_role_a_user_stays_and_the_action_is_named() {
    let (hub, admin) = both(&retiring());
    // What an audit needs is shown where it audits.
    let auditing = actions(&both(&scope(&full(), false)).1);
    for action in actions(&admin).difference(&auditing) {
        let reports = retired(&hub, &without(&admin, action)).await;
        assert!(
            denied(&reports, action),
            "{action} was not missed: {reports:?}"
        );
    }
}
