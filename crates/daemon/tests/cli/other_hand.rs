//! Somebody else at work in the accounts: roles that rolekeeper did not make.

use std::io::{Read as _, Write as _};

use rolekeeper_domain::account::AccountId;
use rolekeeper_simulator::HUB_ACCESS_KEY;

use crate::harness::Desk;

/// Another tool, with the admin role's power in one account.
pub(crate) struct OtherHand<'a> {
    desk: &'a Desk,
    key: String,
    token: String,
}

impl<'a> OtherHand<'a> {
    /// Goes into an account.
    pub(crate) fn within(desk: &'a Desk, account: AccountId) -> Self {
        let hub = Self {
            desk,
            key: HUB_ACCESS_KEY.to_owned(),
            token: String::new(),
        };
        let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
        let answer = hub.ask(
            "sts",
            &[
                ("Action", "AssumeRole"),
                ("RoleArn", &role),
                ("RoleSessionName", "other-hand"),
            ],
        );
        Self {
            desk,
            key: between(&answer, "AccessKeyId"),
            token: between(&answer, "SessionToken"),
        }
    }

    /// Makes the vendor's role and its policy, without any tag.
    pub(crate) fn make_role(&self, name: &str, trust: &str, policy: &str) {
        self.iam(&[
            ("Action", "CreateRole"),
            ("RoleName", name),
            ("AssumeRolePolicyDocument", trust),
            ("Description", "made by a stack set"),
        ]);
        let made = self.iam(&[
            ("Action", "CreatePolicy"),
            ("PolicyName", name),
            ("PolicyDocument", policy),
        ]);
        self.iam(&[
            ("Action", "AttachRolePolicy"),
            ("RoleName", name),
            ("PolicyArn", &between(&made, "Arn")),
        ]);
    }

    /// One call of IAM.
    pub(crate) fn iam(&self, parameters: &[(&str, &str)]) -> String {
        self.ask("iam", parameters)
    }

    fn ask(&self, service: &str, parameters: &[(&str, &str)]) -> String {
        let address = self.desk.simulator.endpoint_url().replace("http://", "");
        let version = if service == "iam" {
            "2010-05-08"
        } else {
            "2011-06-15"
        };
        let body: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let body = format!("Version={version}&{}", body.join("&"));
        let token = if self.token.is_empty() {
            String::new()
        } else {
            format!("X-Amz-Security-Token: {}\r\n", self.token)
        };
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n{token}\
             Authorization: AWS4-HMAC-SHA256 Credential={}/20261124/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

fn between(text: &str, tag: &str) -> String {
    let after = text.split(&format!("<{tag}>")).nth(1).unwrap();
    after.split('<').next().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
