//! What a reviewer would remark, row by row; the first row of each table has
//! nothing to remark.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use expect_test::{Expect, expect};
use rolekeeper_domain::policy::{Document, Kind, LintContext, lint};

#[track_caller]
fn check(kind: Kind, text: &str, context: &LintContext<'_>, wanted: Expect) {
    let remarks = lint(&Document::parse(kind, text).unwrap(), context);
    let told: Vec<String> = remarks
        .iter()
        .map(|l| format!("{}: {l}", l.severity))
        .collect();
    wanted.assert_eq(&told.join("\n"));
}

fn identity(statements: &str) -> String {
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}")
}

fn trust(principal: &str, rest: &str) -> String {
    identity(&format!(
        "{{\"Effect\":\"Allow\",\"Principal\":{principal},\"Action\":\"sts:AssumeRole\"{rest}}}"
    ))
}

const HOME: LintContext<'_> = LintContext {
    account: Some("111122223333"),
    bounded: false,
    character_limit: None,
};

#[test]
fn remarks_on_trust() {
    let vendor = r#"{"AWS":"arn:aws:iam::999999999999:root"}"#;
    let id = |value: &str| {
        format!(",\"Condition\":{{\"StringEquals\":{{\"sts:ExternalId\":\"{value}\"}}}}")
    };
    check(
        Kind::Trust,
        &trust(vendor, &id("a-shared-secret")),
        &HOME,
        expect![[""]],
    );
    check(
        Kind::Trust,
        &trust(r#"{"AWS":"111122223333"}"#, ""),
        &HOME,
        expect![[""]],
    );
    check(
        Kind::Trust,
        &trust(r#"{"Service":"ec2.amazonaws.com"}"#, ""),
        &HOME,
        expect![[""]],
    );
    check(
        Kind::Trust,
        &trust(
            r#""*""#,
            r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}"#,
        ),
        &HOME,
        expect![[""]],
    );
    check(
        Kind::Trust,
        &trust(vendor, ""),
        &HOME,
        expect![[
            r#"warning: Statement[0]: anyone in account 999999999999 may assume the role without an external id (missing_external_id); add "StringEquals": {"sts:ExternalId": …}, so that the vendor's other customers cannot have this role used for themselves"#
        ]],
    );
    check(
        Kind::Trust,
        &trust(vendor, &id("x")),
        &HOME,
        expect![
            "error: Statement[0].Condition.StringEquals.sts:ExternalId: no external id can look like this one: 2 to 1,224 letters, digits and _+=,.@:/- (impossible_external_id); correct the value"
        ],
    );
    check(
        Kind::Trust,
        &trust(vendor, &id("secret*").replace("Equals", "Like")),
        &HOME,
        expect![
            "warning: Statement[0].Condition.StringLike.sts:ExternalId: the external id has wildcards: whoever guesses one that fits gets in (weak_external_id); compare it with StringEquals"
        ],
    );
    check(
        Kind::Trust,
        &trust(vendor, &id("secret").replace("Equals", "EqualsIfExists")),
        &HOME,
        expect![[
            r#"warning: Statement[0]: anyone in account 999999999999 may assume the role without an external id (missing_external_id); add "StringEquals": {"sts:ExternalId": …}, so that the vendor's other customers cannot have this role used for themselves"#
        ]],
    );
    check(
        Kind::Trust,
        &trust(r#""*""#, ""),
        &HOME,
        expect![
            "error: Statement[0].Principal: anyone in any AWS account may assume the role (wildcard_trust); name the account or role, or add a condition such as aws:PrincipalOrgID"
        ],
    );
    check(
        Kind::Trust,
        &trust(r#"{"AWS":"*"}"#, &id("a-shared-secret")),
        &HOME,
        expect![
            "error: Statement[0].Principal: anyone in any AWS account may assume the role if they present the external id (wildcard_trust); name the account or role, or add a condition such as aws:PrincipalOrgID"
        ],
    );
    check(
        Kind::Trust,
        &trust(r#"{"AWS":"AROAEXAMPLEID1234567"}"#, ""),
        &HOME,
        expect![
            "error: Statement[0].Principal: AROAEXAMPLEID1234567 is what IAM leaves of a deleted user or role; it lets nobody in (dead_principal); name the principal by its ARN again, or the account with a condition on aws:PrincipalArn"
        ],
    );
    let not = trust(r#"{"AWS":"999999999999"}"#, "").replace("\"Principal\"", "\"NotPrincipal\"");
    check(
        Kind::Trust,
        &not,
        &HOME,
        expect![
            "error: Statement[0].NotPrincipal: Allow with NotPrincipal lets in everyone who is not listed, from any account (allow_not_principal); list who is meant with Principal"
        ],
    );
}

#[test]
fn remarks_on_permissions() {
    let allow = |action: &str| {
        identity(&format!(
            "{{\"Effect\":\"Allow\",\"Action\":{action},\"Resource\":\"*\"}}"
        ))
    };
    let none = LintContext::default();
    check(
        Kind::Identity,
        &allow(r#"["s3:GetObject","iam:Get*","ec2:Describe*","sts:GetCallerIdentity"]"#),
        &none,
        expect![[""]],
    );
    let faq = identity(
        r#"{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}"#,
    );
    check(
        Kind::Identity,
        &faq,
        &none,
        expect![
            "warning: it allows everything but iam:CreateUser; that denial does not hold its user back for long: it can still make access keys for existing users (iam:CreateAccessKey), let anyone assume any role (iam:UpdateAssumeRolePolicy), attach any policy to itself or to another role (iam:AttachRolePolicy) or rewrite a managed policy that is attached to it (iam:CreatePolicyVersion), and so also remove the denial itself (administrator); kept as it is written; where reading is enough, attach arn:aws:iam::aws:policy/SecurityAudit and arn:aws:iam::aws:policy/job-function/ViewOnlyAccess in its place (the preset cloudcoreo-audit does so), or set a permissions_boundary"
        ],
    );
    check(
        Kind::Identity,
        &faq,
        &LintContext {
            bounded: true,
            ..none
        },
        expect![[""]],
    );
    check(
        Kind::Identity,
        &allow("\"*\""),
        &none,
        expect![
            "warning: whoever uses this role is an administrator of the account (administrator); kept as it is written; where reading is enough, attach arn:aws:iam::aws:policy/SecurityAudit and arn:aws:iam::aws:policy/job-function/ViewOnlyAccess in its place (the preset cloudcoreo-audit does so), or set a permissions_boundary"
        ],
    );
    check(
        Kind::Identity,
        &allow(r#"["iam:PassRole","lambda:*"]"#),
        &none,
        expect![
            "warning: the role can give itself more than is written here: it may run a function with a wider role (iam:PassRole, lambda:CreateFunction, lambda:InvokeFunction) and put its own code into a function that runs under a wider role (lambda:UpdateFunctionCode) (privilege_escalation); limit these actions to the resources that are meant, or set a permissions boundary"
        ],
    );
    check(
        Kind::Identity,
        &allow(r#"["iam:GetUsr","dynamdb:GetItem","s3:Get-Object","organizations:ListAccount"]"#),
        &none,
        expect![[r#"
        warning: Statement[0].Action[0]: iam:GetUsr matches no action of iam (unknown_action); did you mean iam:GetUser?
        warning: Statement[0].Action[1]: dynamdb:GetItem names no service that is known here (unknown_service); did you mean dynamodb:GetItem?
        warning: Statement[0].Action[2]: s3:Get-Object cannot be an action: they consist of letters and digits (impossible_action); check its spelling in the service authorization reference
        warning: Statement[0].Action[3]: organizations:ListAccount matches no action of organizations (unknown_action); did you mean organizations:ListAccounts?"#]],
    );
    check(
        Kind::Identity,
        &identity(
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"a"},"IpAddress":{"aws:SourceIp":"10.0.0.0/33"},"StringEquals":{"aws:username":[]}}}"#,
        ),
        &none,
        expect![[r#"
        warning: Statement[0].Condition.ForAllValues:StringEquals.aws:TagKeys: ForAllValues also holds when the request has no aws:TagKeys at all (for_all_values); add "Null": {"aws:TagKeys": "false"} if it must be there
        warning: Statement[0].Condition.IpAddress.aws:SourceIp: the value 10.0.0.0/33 can never match with IpAddress (condition_value); correct the value or the operator
        warning: Statement[0].Condition.StringEquals.aws:username: a condition without values can never match (a negated one always does) (condition_value); give it a value, or leave it out"#]],
    );
    check(
        Kind::Identity,
        &identity(
            r#"{"Effect":"Deny","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#,
        ),
        &none,
        expect![
            "note: Statement[1]: this grants nothing: all of it is denied by the document itself, or never applies (without_effect); leave it out, or correct the denial"
        ],
    );
    check(
        Kind::Identity,
        r#"{"Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"arn:aws:s3:::home/${aws:username}"}}"#,
        &none,
        expect![[r#"
        warning: Version: without "Version": "2012-10-17" the text ${…} is no policy variable but plain text (variable_as_text); state the version 2012-10-17
        note: Statement[0].NotAction: Allow with NotAction also allows every action of every service that AWS adds later (allow_not_action); list what is meant"#]],
    );
    check(
        Kind::Identity,
        &identity(""),
        &none,
        expect!["error: Statement: no statements (empty); AWS wants at least one"],
    );
    check(
        Kind::Identity,
        &allow("\"s3:Get*\""),
        &LintContext {
            character_limit: Some(10),
            ..none
        },
        expect![
            "error: 91 characters, where AWS accepts 10 (too_long); split it, or use wildcards in place of lists"
        ],
    );
    check(
        Kind::Identity,
        &allow("\"s3:Get*\"").replace("\"Effect\"", "\"Sid\":\"\u{2713}\",\"Effect\""),
        &none,
        expect![
            "error: the character U+2713, which IAM does not accept in a policy (characters); keep to Latin-1 characters"
        ],
    );
}
