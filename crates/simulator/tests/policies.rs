//! Who may do what is decided by policies, and refused in the words of AWS.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod common;

use common::{ADMIN, Hand, allowing, trusting};
use rolekeeper_simulator::{
    DEMO_EXTERNAL_ID, DEMO_ROLE, Drift, Settings, Simulator, VENDOR_ACCESS_KEY, World,
};

#[test]
fn a_session_policy_leaves_only_what_it_names() {
    let hub = Hand::tame(2);
    let account = hub.world.reachable()[0];
    let admin = hub.assume(account, ADMIN, &[("Policy", &allowing("iam:Get*"))]);
    assert_eq!(admin.iam("GetRole", &[("RoleName", ADMIN)]).code(), "ok");
    let refused = admin.iam("ListRoles", &[]);
    assert_eq!(refused.code(), "AccessDenied");
    assert_eq!(
        refused.message(),
        format!(
            "User: arn:aws:sts::{account}:assumed-role/{ADMIN}/test is not authorized to perform: iam:ListRoles \
             on resource: arn:aws:iam::{account}:role/ because no session policy allows the iam:ListRoles action"
        )
    );
}

#[test]
fn a_service_control_policy_denies_administrators_too_but_not_the_management_account() {
    let hub = Hand::tame(2);
    let (account, admin) = hub.first_account();
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*"}]}"#;
    hub.world
        .attach_service_control_policy(&hub.world.root_id(), deny)
        .unwrap();
    let fields = [
        ("RoleName", "New"),
        ("AssumeRolePolicyDocument", &trusting("111122223333")),
    ];
    let refused = admin.iam("CreateRole", &fields);
    assert_eq!(
        refused.message(),
        format!(
            "User: arn:aws:sts::{account}:assumed-role/{ADMIN}/test is not authorized to perform: iam:CreateRole \
             on resource: arn:aws:iam::{account}:role/New with an explicit deny in a service control policy"
        )
    );
    assert_eq!(refused.answer.status, 403);
    assert_eq!(hub.iam("CreateRole", &fields).code(), "ok");
}

#[test]
fn a_boundary_leaves_only_what_it_names_however_much_the_policies_allow() {
    let hub = Hand::tame(1);
    let (account, admin) = hub.first_account();
    let made = admin.iam(
        "CreatePolicy",
        &[
            ("PolicyName", "Fence"),
            ("PolicyDocument", &allowing("iam:Get*")),
        ],
    );
    assert_eq!(made.code(), "ok", "{}", made.body);
    let fence = format!("arn:aws:iam::{account}:policy/Fence");
    let fields = [
        ("RoleName", "Fenced"),
        ("AssumeRolePolicyDocument", &trusting(&account.to_string())),
        ("PermissionsBoundary", &fence),
    ];
    assert_eq!(admin.iam("CreateRole", &fields).code(), "ok");
    let everything = [
        ("RoleName", "Fenced"),
        ("PolicyName", "All"),
        ("PolicyDocument", &allowing("*")),
    ];
    assert_eq!(admin.iam("PutRolePolicy", &everything).code(), "ok");
    let fenced = admin.assume(account, "Fenced", &[]);
    assert_eq!(fenced.iam("GetRole", &[("RoleName", ADMIN)]).code(), "ok");
    let refused = fenced.iam("ListRoles", &[]);
    assert_eq!(refused.code(), "AccessDenied");
    assert!(
        refused
            .message()
            .ends_with("because no permissions boundary allows the iam:ListRoles action"),
        "{}",
        refused.message()
    );
}

#[test]
fn a_policy_that_demands_a_boundary_and_a_tag_sees_both_in_the_call() {
    let hub = Hand::tame(1);
    let (_, admin) = hub.first_account();
    let boundary = "arn:aws:iam::aws:policy/PowerUserAccess";
    let demand = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*","Condition":{{"StringNotEquals":{{"iam:PermissionsBoundary":"{boundary}"}}}}}},
            {{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*","Condition":{{"Null":{{"aws:RequestTag/owner":"true"}}}}}}]}}"#
    );
    hub.world
        .attach_service_control_policy(&hub.world.root_id(), &demand)
        .unwrap();
    let trust = trusting("111122223333");
    let mut fields = vec![
        ("RoleName", "New"),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    assert_eq!(admin.iam("CreateRole", &fields).code(), "AccessDenied");
    fields.push(("PermissionsBoundary", boundary));
    assert_eq!(admin.iam("CreateRole", &fields).code(), "AccessDenied");
    fields.extend([
        ("Tags.member.1.Key", "owner"),
        ("Tags.member.1.Value", "audit"),
    ]);
    assert_eq!(admin.iam("CreateRole", &fields).code(), "ok");
}

#[test]
fn the_hub_may_do_what_its_own_policies_allow() {
    let hub = Hand::tame(1);
    let account = hub.world.reachable()[0];
    assert_eq!(
        hub.iam("CreateUser", &[("UserName", "reader")]).code(),
        "ok"
    );
    let key = hub.iam("CreateAccessKey", &[("UserName", "reader")]);
    let reader = hub.with_keys(key.text("AccessKeyId").unwrap(), None);
    let management = hub.world.management_account().unwrap();
    let refused = reader.organizations("ListAccounts", serde_json::json!({}));
    assert_eq!(refused.code(), "AccessDeniedException");
    assert_eq!(
        refused.message(),
        format!(
            "User: arn:aws:iam::{management}:user/reader is not authorized to perform: organizations:ListAccounts \
             on resource: * because no identity-based policy allows the organizations:ListAccounts action"
        )
    );
    let assumed = reader.try_assume(account, ADMIN, &[]);
    assert_eq!(
        assumed.message(),
        format!(
            "User: arn:aws:iam::{management}:user/reader is not authorized to perform: sts:AssumeRole \
             on resource: arn:aws:iam::{account}:role/{ADMIN} \
             because no identity-based policy allows the sts:AssumeRole action"
        )
    );
    let allow = allowing("sts:AssumeRole");
    let grant = [
        ("UserName", "reader"),
        ("PolicyName", "in"),
        ("PolicyDocument", allow.as_str()),
    ];
    assert_eq!(hub.iam("PutUserPolicy", &grant).code(), "ok");
    assert_eq!(reader.try_assume(account, ADMIN, &[]).code(), "ok");
}

#[test]
fn a_role_that_is_not_there_and_one_that_does_not_trust_sound_the_same() {
    let hub = Hand::tame(1);
    let (account, admin) = hub.first_account();
    let foreign = trusting("111122223333");
    admin.iam(
        "CreateRole",
        &[
            ("RoleName", "Foreign"),
            ("AssumeRolePolicyDocument", &foreign),
        ],
    );
    let management = hub.world.management_account().unwrap();
    for role in ["Foreign", "Nothing"] {
        let refused = hub.try_assume(account, role, &[]);
        assert_eq!(refused.code(), "AccessDenied");
        assert_eq!(
            refused.message(),
            format!(
                "User: arn:aws:iam::{management}:user/rolekeeper-hub is not authorized to perform: sts:AssumeRole \
                 on resource: arn:aws:iam::{account}:role/{role}"
            )
        );
    }
}

#[test]
fn the_vendor_gets_in_with_its_external_id_and_not_without() {
    let hub = Hand::hub(Simulator::builder().accounts(3).provisioned().world());
    let account = hub.world.reachable()[0];
    let vendor = hub.with_keys(VENDOR_ACCESS_KEY, None);
    assert_eq!(
        vendor.try_assume(account, DEMO_ROLE, &[]).code(),
        "AccessDenied"
    );
    assert_eq!(
        vendor
            .try_assume(account, DEMO_ROLE, &[("ExternalId", "guessed")])
            .code(),
        "AccessDenied"
    );
    let inside = vendor.assume(account, DEMO_ROLE, &[("ExternalId", DEMO_EXTERNAL_ID)]);
    assert_eq!(inside.iam("ListRoles", &[]).code(), "ok");
    let denied = inside.iam("CreateUser", &[("UserName", "x")]);
    assert!(
        denied
            .message()
            .ends_with("with an explicit deny in an identity-based policy"),
        "{}",
        denied.message()
    );
    assert!(hub.world.plant(account, Drift::TrustWithoutExternalId));
    assert_eq!(vendor.try_assume(account, DEMO_ROLE, &[]).code(), "ok");
}

#[test]
fn a_resource_control_policy_keeps_the_vendor_out_of_a_perfect_role() {
    let hub = Hand::hub(Simulator::builder().accounts(1).provisioned().world());
    let account = hub.world.reachable()[0];
    let organization = hub.organizations("DescribeOrganization", serde_json::json!({}));
    let body: serde_json::Value = serde_json::from_str(&organization.body).unwrap();
    let id = body["Organization"]["Id"].as_str().unwrap();
    let perimeter = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*",
            "Condition":{{"StringNotEqualsIfExists":{{"aws:PrincipalOrgID":"{id}"}}}}}}]}}"#
    );
    hub.world
        .attach_resource_control_policy(&hub.world.root_id(), &perimeter)
        .unwrap();
    let vendor = hub.with_keys(VENDOR_ACCESS_KEY, None);
    let refused = vendor.try_assume(account, DEMO_ROLE, &[("ExternalId", DEMO_EXTERNAL_ID)]);
    assert!(
        refused
            .message()
            .ends_with("with an explicit deny in a resource control policy"),
        "{}",
        refused.message()
    );
    assert_eq!(hub.try_assume(account, ADMIN, &[]).code(), "ok");
}

#[test]
fn a_source_identity_needs_a_trust_policy_that_lets_it_be_set() {
    let hub = Hand::tame(1);
    let account = hub.world.reachable()[0];
    let refused = hub.try_assume(account, ADMIN, &[("SourceIdentity", "sweep-1")]);
    assert_eq!(refused.code(), "AccessDenied");
    assert!(
        refused.message().contains("sts:SetSourceIdentity"),
        "{}",
        refused.message()
    );
}

#[test]
fn every_way_to_be_denied_ends_in_a_denial() {
    let settings = Settings {
        accounts: 40,
        denied: 0.2,
        inactive: 0.0,
        control_tower: 0.0,
        ..Settings::default()
    };
    let hub = Hand::hub(World::new(settings));
    let denied: Vec<_> = hub
        .world
        .accounts()
        .into_iter()
        .filter(|a| !a.is_management && !a.is_reachable)
        .collect();
    assert_eq!(denied.len(), 8);
    for account in denied {
        let entered = hub.try_assume(account.id, ADMIN, &[]);
        let code = if entered.code() == "ok" {
            let admin = hub.with_keys(
                entered.text("AccessKeyId").unwrap(),
                entered.text("SessionToken"),
            );
            admin.iam("GetRole", &[("RoleName", DEMO_ROLE)]).code()
        } else {
            entered.code()
        };
        assert_eq!(code, "AccessDenied", "{account:?}");
    }
}

#[test]
fn only_the_management_account_and_its_delegates_may_list() {
    let hub = Hand::tame(2);
    let (account, admin) = hub.first_account();
    let refused = admin.organizations("ListAccounts", serde_json::json!({}));
    assert_eq!(refused.code(), "AccessDeniedException");
    assert_eq!(
        refused.message(),
        "You don't have permissions to access this resource."
    );
    let order = serde_json::json!({ "AccountId": account.to_string(), "ServicePrincipal": "iam.amazonaws.com" });
    assert_eq!(
        hub.organizations("RegisterDelegatedAdministrator", order)
            .code(),
        "ok"
    );
    assert_eq!(
        admin
            .organizations("ListAccounts", serde_json::json!({}))
            .code(),
        "ok"
    );
    assert_eq!(
        admin
            .organizations(
                "CloseAccount",
                serde_json::json!({ "AccountId": account.to_string() })
            )
            .code(),
        "AccessDeniedException"
    );
}
