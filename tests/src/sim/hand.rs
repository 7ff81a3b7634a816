//! Somebody with keys who asks AWS by hand: an administrator, the vendor, the hub's own user.

use rolekeeper_domain::account::AccountId;
use rolekeeper_simulator::{HUB_ACCESS_KEY, Input, Params, Request, Service, World};

use super::clock::SimClock;

/// The role by which the hub administers its members.
const ADMIN: &str = "OrganizationAccountAccessRole";

/// Keys, and the world that they are good for.
#[derive(Debug)]
pub struct Hand<'a> {
    world: &'a World,
    clock: &'a SimClock,
    key: String,
    token: Option<String>,
}

impl<'a> Hand<'a> {
    /// Whoever has this long-term key.
    pub fn with(world: &'a World, clock: &'a SimClock, key: impl Into<String>) -> Self {
        Self {
            world,
            clock,
            key: key.into(),
            token: None,
        }
    }

    /// The hub's own user.
    pub fn hub(world: &'a World, clock: &'a SimClock) -> Self {
        Self::with(world, clock, HUB_ACCESS_KEY)
    }

    /// An administrator of a member account.
    pub fn admin(world: &'a World, clock: &'a SimClock, account: AccountId) -> Self {
        let form = format!(
            "Action=AssumeRole&RoleArn=arn:aws:iam::{account}:role/{ADMIN}&RoleSessionName=test"
        );
        let session = Self::hub(world, clock).ask(Service::Sts, &form);
        Self {
            world,
            clock,
            key: between(&session, "AccessKeyId"),
            token: Some(between(&session, "SessionToken")),
        }
    }

    /// A call of the Query protocol, its `Action` in the form: the status and the body of the answer.
    #[expect(clippy::expect_used, reason = "the hand is part of the tests")]
    pub fn call(&self, service: Service, form: &str) -> (u16, String) {
        let params = Params::parse(form);
        let request = Request {
            service,
            operation: params.get("Action").expect("an action").to_owned(),
            access_key: Some(self.key.clone()),
            session_token: self.token.clone(),
            region: "us-east-1".to_owned(),
            input: Input::Query(params),
        };
        let answer = self.world.handle(&request, self.clock.true_time());
        let body = String::from_utf8(answer.body.to_vec());
        (answer.status, body.expect("an answer is text"))
    }

    /// The same, of a call that has to work.
    pub fn ask(&self, service: Service, form: &str) -> String {
        let (status, body) = self.call(service, form);
        assert_eq!(status, 200, "{form}: {body}");
        body
    }
}

/// What stands in an answer between these tags.
#[expect(clippy::expect_used, reason = "the hand is part of the tests")]
pub fn between(text: &str, tag: &str) -> String {
    let after = text.split(&format!("<{tag}>")).nth(1);
    let until = after.and_then(|after| after.split('<').next());
    until.expect("the tag is in the answer").to_owned()
}
