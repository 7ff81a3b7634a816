//! Rights with which a role can give itself others.

use super::super::compare::statements;
use super::super::context::ConditionContext;
use super::super::document::{Document, Effect};
use super::super::evaluate::{Request, document_says};
use super::super::principal::Principal;
use super::super::words;
use super::{LintContext, LintSeverity, Remarks, is_everything};

/// Actions which, allowed together on resources at large, amount to more, and
/// what they amount to.
const WAYS: [(&[&str], &str); 22] = [
    (
        &["iam:CreateAccessKey"],
        "make access keys for existing users",
    ),
    (
        &["iam:UpdateAssumeRolePolicy"],
        "let anyone assume any role",
    ),
    (
        &["iam:AttachRolePolicy"],
        "attach any policy to itself or to another role",
    ),
    (
        &["iam:CreatePolicyVersion"],
        "rewrite a managed policy that is attached to it",
    ),
    (
        &["iam:SetDefaultPolicyVersion"],
        "bring back an older, wider version of a managed policy",
    ),
    (&["iam:AttachUserPolicy"], "attach any policy to a user"),
    (&["iam:AttachGroupPolicy"], "attach any policy to a group"),
    (
        &["iam:PutRolePolicy"],
        "write any inline policy into itself or another role",
    ),
    (
        &["iam:PutUserPolicy"],
        "write any inline policy into a user",
    ),
    (
        &["iam:PutGroupPolicy"],
        "write any inline policy into a group",
    ),
    (
        &["iam:AddUserToGroup"],
        "put a user into a group that may do more",
    ),
    (
        &["iam:CreateLoginProfile"],
        "give an existing user a console password",
    ),
    (
        &["iam:UpdateLoginProfile"],
        "change a user's console password",
    ),
    (
        &["iam:DeleteRolePermissionsBoundary"],
        "take permissions boundaries off roles",
    ),
    (
        &["iam:CreateUser", "iam:CreateAccessKey"],
        "make users of its own with keys",
    ),
    (
        &["sts:AssumeRole"],
        "assume any role that trusts this account",
    ),
    (
        &["iam:PassRole", "ec2:RunInstances"],
        "run an instance with a wider role",
    ),
    (
        &[
            "iam:PassRole",
            "lambda:CreateFunction",
            "lambda:InvokeFunction",
        ],
        "run a function with a wider role",
    ),
    (
        &["iam:PassRole", "cloudformation:CreateStack"],
        "run a stack with a wider role",
    ),
    (
        &["iam:PassRole", "glue:CreateDevEndpoint"],
        "run a Glue endpoint with a wider role",
    ),
    (
        &[
            "iam:PassRole",
            "codebuild:CreateProject",
            "codebuild:StartBuild",
        ],
        "run a build with a wider role",
    ),
    (
        &["lambda:UpdateFunctionCode"],
        "put its own code into a function that runs under a wider role",
    ),
];

pub(super) fn lint(document: &Document, context: &LintContext<'_>, remarks: &mut Remarks) {
    let may = |action: &str| {
        let resource = if action.starts_with("iam:") {
            "arn:aws:iam::000000000000:role/some/role"
        } else {
            "arn:aws:some:region-1:000000000000:thing/some-thing"
        };
        let request = Request {
            principal: Principal::Session {
                role: "arn:aws:iam::000000000000:role/some/role".to_owned(),
                name: "some-session".to_owned(),
            },
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: ConditionContext::new(),
        };
        document_says(document, &request) == Some(Effect::Allow)
    };
    let open: Vec<String> = WAYS
        .iter()
        .filter(|(actions, _)| actions.iter().all(|a| may(a)))
        .map(|(actions, deed)| format!("{deed} ({})", actions.join(", ")))
        .collect();
    if open.is_empty() || context.bounded {
        return;
    }
    let all = statements(&[document], Effect::Allow);
    let administrator = all.iter().position(|s| {
        is_everything(s.actions())
            && s.resources().is_some_and(is_everything)
            && s.conditions().is_empty()
    });
    match administrator {
        Some(_) => everything(document, &open, remarks),
        None => {
            let deeds: Vec<String> = open.into_iter().take(8).collect();
            let message = format!(
                "the role can give itself more than is written here: it may {}",
                words::list(&deeds, "and")
            );
            let remedy = "limit these actions to the resources that are meant, or set a permissions boundary";
            remarks.add(
                LintSeverity::Warning,
                "privilege_escalation",
                "",
                message,
                remedy,
            );
        }
    }
}

/// One calm remark on a document that allows everything, with or without
/// some denials.
fn everything(document: &Document, open: &[String], remarks: &mut Remarks) {
    let denied: Vec<String> = statements(&[document], Effect::Deny)
        .iter()
        .map(|s| words::actions(s.actions()))
        .collect();
    let remedy = "kept as it is written; where reading is enough, attach arn:aws:iam::aws:policy/SecurityAudit and \
                  arn:aws:iam::aws:policy/job-function/ViewOnlyAccess in its place (the preset cloudcoreo-audit does so), or set a permissions_boundary";
    if denied.is_empty() {
        let message = "whoever uses this role is an administrator of the account";
        remarks.add(LintSeverity::Warning, "administrator", "", message, remedy);
        return;
    }
    let still: Vec<String> = open.iter().take(4).cloned().collect();
    let message = format!(
        "it allows everything but {}; that denial does not hold its user back for long: it can still {}, and so \
         also remove the denial itself",
        words::list(&denied, "and"),
        words::list(&still, "or")
    );
    remarks.add(LintSeverity::Warning, "administrator", "", message, remedy);
}
