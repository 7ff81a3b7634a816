//! Ready-made descriptions of roles.

/// A ready-made role. Whatever the configuration says itself goes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub summary: &'static str,
    /// The role's name.
    pub role_name: &'static str,
    /// The trust policy.
    pub trust_policy: &'static str,
    /// Managed policies: names and documents.
    pub managed_policies: &'static [(&'static str, &'static str)],
    /// ARNs of AWS's policies to attach.
    pub attach: &'static [&'static str],
}

const VENDOR_WITH_EXTERNAL_ID: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:${partition}:iam::${vendor_account_id}:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"${external_id}"}}}]}"#;

/// Every preset.
pub const PRESETS: [Preset; 2] = [
    Preset {
        name: "cloudcoreo",
        summary: "the role and policy of CloudCoreo's FAQ: everything but iam:CreateUser",
        role_name: "CloudCoreoAssumedRolePolicy",
        trust_policy: VENDOR_WITH_EXTERNAL_ID,
        managed_policies: &[(
            "CloudCoreoAssumedRolePolicy",
            r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#,
        )],
        attach: &[],
    },
    Preset {
        name: "cloudcoreo-audit",
        summary: "the same vendor, reading only: AWS's SecurityAudit and ViewOnlyAccess",
        role_name: "CloudCoreoAssumedRole",
        trust_policy: VENDOR_WITH_EXTERNAL_ID,
        managed_policies: &[],
        attach: &[
            "arn:${partition}:iam::aws:policy/SecurityAudit",
            "arn:${partition}:iam::aws:policy/job-function/ViewOnlyAccess",
        ],
    },
];

/// The preset of that name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
