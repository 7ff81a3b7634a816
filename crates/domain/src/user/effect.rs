//! Whether a step on a user had its effect, as far as the user shows it.

use super::{ObservedUser, UserStep};
use crate::planner::Effect;

/// Looks whether a step whose answer nobody has was taken. None: there is no such user.
///
/// What somebody else has brought about in the meantime counts as well. A virtual device that
/// was given up belongs to nobody, so no look at the user shows whether it is still there.
pub fn effect(step: &UserStep, user: Option<&ObservedUser>) -> Effect {
    let there = match (step, user) {
        (UserStep::DeleteVirtualDevice { .. }, _) => return Effect::Unknown,
        (_, None) => true,
        (UserStep::DeactivateKey { key }, Some(user)) => !user
            .keys
            .iter()
            .any(|found| found.id == *key && found.active),
        (UserStep::DeleteKey { key }, Some(user)) => {
            !user.keys.iter().any(|found| found.id == *key)
        }
        (UserStep::DeletePassword, Some(user)) => !user.has_password,
        (UserStep::Remove { kind, id }, Some(user)) => {
            !user.belongings.contains(&(*kind, id.clone()))
        }
        (UserStep::DeleteUser, Some(_)) => false,
    };
    if there {
        Effect::There
    } else {
        Effect::NotThere
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use std::collections::BTreeSet;

    use super::*;
    use crate::user::{AccessKey, Belonging};

    fn user() -> ObservedUser {
        let key = |id: &str, active| AccessKey {
            id: id.to_owned(),
            active,
            last_used: None,
        };
        ObservedUser {
            arn: "arn:aws:iam::111122223333:user/cloudcoreo".parse().unwrap(),
            name: "cloudcoreo".to_owned(),
            password_last_used: None,
            has_password: true,
            keys: vec![key("ACTIVE", true), key("INACTIVE", false)],
            belongings: BTreeSet::from([(Belonging::Group, "vendors".to_owned())]),
        }
    }

    #[test]
    fn a_step_is_told_by_what_the_user_still_has() {
        let deactivate = |key: &str| UserStep::DeactivateKey {
            key: key.to_owned(),
        };
        let delete = |key: &str| UserStep::DeleteKey {
            key: key.to_owned(),
        };
        let leave = |group: &str| UserStep::Remove {
            kind: Belonging::Group,
            id: group.to_owned(),
        };
        let device = UserStep::DeleteVirtualDevice {
            serial: "arn:aws:iam::111122223333:mfa/phone".to_owned(),
        };
        let rows = [
            (deactivate("ACTIVE"), Effect::NotThere),
            (deactivate("INACTIVE"), Effect::There),
            (deactivate("GONE"), Effect::There),
            (delete("INACTIVE"), Effect::NotThere),
            (delete("GONE"), Effect::There),
            (UserStep::DeletePassword, Effect::NotThere),
            (leave("vendors"), Effect::NotThere),
            (leave("others"), Effect::There),
            (device.clone(), Effect::Unknown),
            (UserStep::DeleteUser, Effect::NotThere),
        ];
        let user = user();
        for (step, expected) in rows {
            assert_eq!(effect(&step, Some(&user)), expected, "{step:?}");
            let gone = if step == device {
                Effect::Unknown
            } else {
                Effect::There
            };
            assert_eq!(effect(&step, None), gone, "{step:?} of a user that is gone");
        }
    }
}
