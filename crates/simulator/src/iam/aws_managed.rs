//! The policies that AWS keeps for everybody, as far as this world has them.
//!
//! Their documents are shortened: what matters here is which IAM and STS calls
//! they allow.

use std::sync::{Arc, OnceLock};

use crate::iam::paper::Paper;
use crate::iam::state::Policy;
use crate::seed::word;

const PREFIX: &str = "arn:aws:iam::aws:policy";
/// 2015-02-06T18:39:46Z.
const CREATED: i64 = 1_423_247_986;

/// Path, name, and the statement list.
const POLICIES: &[(&str, &str, &str)] = &[
    (
        "/",
        "AdministratorAccess",
        r#"[{"Effect":"Allow","Action":"*","Resource":"*"}]"#,
    ),
    (
        "/",
        "AWSDenyAll",
        r#"[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]"#,
    ),
    (
        "/",
        "AWSOrganizationsReadOnlyAccess",
        r#"[{"Effect":"Allow","Action":["organizations:Describe*","organizations:List*"],"Resource":"*"}]"#,
    ),
    (
        "/",
        "IAMFullAccess",
        r#"[{"Effect":"Allow","Action":["iam:*","organizations:DescribeAccount","organizations:DescribeOrganization","organizations:DescribeOrganizationalUnit","organizations:DescribePolicy","organizations:ListChildren","organizations:ListParents","organizations:ListPoliciesForTarget","organizations:ListRoots","organizations:ListPolicies","organizations:ListTargetsForPolicy"],"Resource":"*"}]"#,
    ),
    (
        "/",
        "IAMReadOnlyAccess",
        r#"[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]"#,
    ),
    (
        "/",
        "PowerUserAccess",
        r#"[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]"#,
    ),
    (
        "/",
        "ReadOnlyAccess",
        r#"[{"Effect":"Allow","Action":["cloudtrail:Describe*","cloudtrail:Get*","cloudtrail:List*","ec2:Describe*","ec2:Get*","iam:Get*","iam:List*","iam:Simulate*","organizations:Describe*","organizations:List*","s3:Get*","s3:List*","sts:GetAccessKeyInfo","sts:GetCallerIdentity"],"Resource":"*"}]"#,
    ),
    (
        "/",
        "SecurityAudit",
        r#"[{"Effect":"Allow","Action":["cloudtrail:DescribeTrails","ec2:Describe*","iam:GenerateCredentialReport","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy","organizations:Describe*","organizations:List*","s3:GetBucket*","s3:ListAllMyBuckets"],"Resource":"*"}]"#,
    ),
    (
        "/aws-service-role/",
        "AWSSupportServiceRolePolicy",
        r#"[{"Effect":"Allow","Action":["ec2:Describe*","iam:GetRole"],"Resource":"*"}]"#,
    ),
    (
        "/aws-service-role/",
        "AWSTrustedAdvisorServiceRolePolicy",
        r#"[{"Effect":"Allow","Action":["ec2:Describe*","iam:GetAccountSummary"],"Resource":"*"}]"#,
    ),
    (
        "/job-function/",
        "ViewOnlyAccess",
        r#"[{"Effect":"Allow","Action":["ec2:Describe*","iam:GetAccountSummary","iam:GetLoginProfile","iam:List*","s3:ListAllMyBuckets"],"Resource":"*"}]"#,
    ),
];

/// All of them, by ARN in order.
pub(crate) fn all() -> &'static [(String, Arc<Policy>)] {
    static ALL: OnceLock<Vec<(String, Arc<Policy>)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let policy = |&(path, name, statements): &(&str, &str, &str)| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
            let policy = Policy::new(name, path, word(name), CREATED, Paper::known(&text));
            (format!("{PREFIX}{path}{name}"), Arc::new(policy))
        };
        let mut policies: Vec<_> = POLICIES.iter().map(policy).collect();
        policies.sort_by(|left, right| left.0.cmp(&right.0));
        policies
    })
}

/// The one with this ARN.
pub(crate) fn find(arn: &str) -> Option<&'static Arc<Policy>> {
    let all = all();
    let index = all
        .binary_search_by(|(known, _)| known.as_str().cmp(arn))
        .ok()?;
    all.get(index).map(|(_, policy)| policy)
}

#[cfg(test)]
mod tests {
    use super::{all, find};

    #[test]
    fn every_one_is_found_and_means_something() {
        for (arn, policy) in all() {
            assert!(find(arn).is_some(), "{arn}");
            assert!(
                policy
                    .document()
                    .is_some_and(|paper| paper.meaning().is_some()),
                "{arn}"
            );
        }
        assert!(find("arn:aws:iam::aws:policy/Nothing").is_none());
    }
}
