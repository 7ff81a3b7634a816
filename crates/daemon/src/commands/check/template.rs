//! The template that gives an account its admin role, where it has none.

use rolekeeper_domain::least_privilege::{Audience, policy_for};
use rolekeeper_engine::port::directory::Caller;
use serde_json::{Value, json};

use crate::config::Config;
use crate::specs;
use crate::wire;

/// The template, with what to do with it.
pub(super) fn text(config: &Config, caller: &Caller) -> String {
    format!(
        "\nThe template of an admin role, for CloudFormation in each account that has none (needs CAPABILITY_NAMED_IAM):\n\n{:#}\n",
        template(config, caller)
    )
}

fn template(config: &Config, caller: &Caller) -> Value {
    let writes = wire::may_write(config);
    let mut scope = specs::scope(config, writes);
    scope.partition = caller.partition;
    // Never more than a repair needs: a rollback is asked for by a person, who can widen it for that day.
    scope.rollback = false;
    let policy: Value =
        serde_json::from_str(&policy_for(Audience::Admin, &scope)).unwrap_or(Value::Null);
    let role = config
        .aws
        .admin_roles
        .first()
        .map_or("rolekeeper-admin", String::as_str);
    let (path, name) = role.rsplit_once('/').unwrap_or(("", role));
    let path = if path.is_empty() {
        "/".to_owned()
    } else {
        format!("/{path}/")
    };
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The role with which rolekeeper works in this account",
        "Resources": {"AdminRole": {"Type": "AWS::IAM::Role", "Properties": {
            "RoleName": name,
            "Path": path,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:{}:iam::{}:root", caller.partition, caller.account)},
                "Action": "sts:AssumeRole",
                "Condition": {"ArnLike": {"aws:PrincipalArn": hub(caller)}}
            }]},
            "Policies": [{"PolicyName": "rolekeeper", "PolicyDocument": policy}]
        }}}
    })
}

/// The hub as `aws:PrincipalArn` has it: for a session the role, whose path the session's name does not tell.
fn hub(caller: &Caller) -> Vec<String> {
    let arn = caller.arn.as_str();
    let role = arn
        .split_once(":assumed-role/")
        .and_then(|(_, rest)| rest.split('/').next());
    match role {
        Some(role) => ["role/", "role/*/"]
            .map(|kind| {
                format!(
                    "arn:{}:iam::{}:{kind}{role}",
                    caller.partition, caller.account
                )
            })
            .to_vec(),
        None => vec![arn.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use rolekeeper_engine::port::directory::Caller;

    use super::hub;

    #[test]
    fn a_session_is_trusted_by_its_role_wherever_its_path_is() {
        let rows = [
            (
                "arn:aws:sts::111122223333:assumed-role/rolekeeper/i-0abc",
                vec![
                    "arn:aws:iam::111122223333:role/rolekeeper",
                    "arn:aws:iam::111122223333:role/*/rolekeeper",
                ],
            ),
            (
                "arn:aws:iam::111122223333:user/ops/rolekeeper",
                vec!["arn:aws:iam::111122223333:user/ops/rolekeeper"],
            ),
        ];
        for (arn, expected) in rows {
            let caller = Caller {
                account: "111122223333".parse().unwrap(),
                arn: arn.parse().unwrap(),
                partition: rolekeeper_domain::arn::Partition::Aws,
            };
            assert_eq!(hub(&caller), expected);
        }
    }
}
