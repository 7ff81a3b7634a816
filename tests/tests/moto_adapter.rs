//! The AWS adapter against moto: every call of the ports, one by one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod moto_support;

use std::collections::{BTreeMap, BTreeSet};

use moto_support::{HUB_KEY, HUB_SECRET, Moto, World};
use rolekeeper_aws::{Aws, ClientBuilder, HubKeys, Reader, Settings};
use rolekeeper_domain::account::{AccountId, AccountState};
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::drift::{Diff, Drift, DriftKind, Severity};
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Guardrails, judge};
use rolekeeper_domain::observation::{Observation, Sighting};
use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::plan::{Band, Plan, PlannedStep, Step};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::{PolicyName, RoleName};
use rolekeeper_domain::user::{AccessKey, Belonging, KeyUse, retirement};
use rolekeeper_domain::verdict::{Permit, Verdict};
use rolekeeper_engine::port::directory::{Directory, Page};
use rolekeeper_engine::port::session::{
    Entry, Receipt, RoleReader, RoleWriter, SessionProvider, SessionRequest,
};
use rolekeeper_engine::port::user::{
    UserFacts, UserReader, UserRequest, UserSessions, UserWriter as _,
};
use rolekeeper_engine::retire;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"}]}"#;
const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::a+b/50%25"}]}"#;
const LIST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:List*","Resource":"*"}]}"#;

async fn aws(moto: &Moto) -> Aws {
    let settings = Settings {
        endpoint_url: Some(moto.url().to_owned()),
        keys: HubKeys::Keys {
            access_key_id: HUB_KEY.to_owned(),
            secret_access_key: HUB_SECRET.to_owned().into(),
            session_token: None,
        },
        ..Settings::default()
    };
    ClientBuilder::new(settings).build().await.unwrap()
}

#[tokio::test]
async fn the_organization_is_read_as_it_is() {
    let moto = Moto::start().await;
    let world = moto.plant("stubborn").await;
    let directory = aws(&moto).await.directory();

    let caller = directory.caller().await.unwrap();
    assert_eq!(caller.account.to_string(), "123456789012");
    let organization = directory.organization().await.unwrap();
    assert_eq!(organization.management_account, caller.account);
    assert_eq!(directory.roots().await.unwrap(), [world.root()]);

    let units = directory.units(world.root(), None).await.unwrap();
    let names: BTreeSet<(String, String)> = units
        .items
        .into_iter()
        .map(|unit| (unit.name, unit.id))
        .collect();
    let planted = ["prod", "quarantine"].map(|name| (name.to_owned(), world.unit(name)));
    assert_eq!(names, planted.into());

    let mut listed = BTreeMap::new();
    let mut next = None;
    loop {
        let page = directory.accounts(next.as_deref()).await.unwrap();
        listed.extend(
            page.items
                .into_iter()
                .map(|listed| (listed.account.name.clone(), listed)),
        );
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    for name in world.names() {
        let found = &listed[&name];
        assert_eq!(found.account.id.to_string(), world.account(&name));
        assert_eq!(found.account.state, AccountState::Active);
    }
    // moto gives no paths: the units have to be asked.
    let below = directory
        .accounts_below(&world.unit("prod"), None)
        .await
        .unwrap();
    let ids: BTreeSet<String> = below.items.iter().map(ToString::to_string).collect();
    assert_eq!(
        ids,
        world
            .names()
            .iter()
            .map(|name| world.account(name))
            .collect()
    );
    assert!(
        directory
            .tags(caller.account, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let fault = directory.units("ou-none-00000000", None).await.unwrap_err();
    assert_eq!(fault.category, Category::NotFound, "{fault}");
}

/// One account, written to and read back.
struct Account {
    aws: Aws,
    id: AccountId,
    entry: Entry,
}

impl Account {
    fn request(&self) -> SessionRequest<'_> {
        SessionRequest {
            account: self.id,
            entry: &self.entry,
            label: "test",
            roles: &[],
        }
    }

    async fn reader(&self) -> Reader {
        self.aws.sessions().reader(self.request()).await.unwrap()
    }

    async fn take(&self, step: Step) -> Receipt {
        let permit = permit(self.id, step.clone());
        let writer = self
            .aws
            .sessions()
            .writer(self.request(), &permit)
            .await
            .unwrap();
        writer
            .execute(&step)
            .await
            .unwrap_or_else(|fault| panic!("{step}: {fault}"))
    }
}

/// A permit for one step: the judge gives one when something differs and nothing stands against it.
fn permit(account: AccountId, step: Step) -> Permit {
    let planned = PlannedStep {
        step,
        band: Band::Turn,
        preconditions: vec![],
        because: vec![],
        before: None,
    };
    let plan = Plan {
        account,
        role: role(),
        steps: vec![planned],
        withheld: vec![],
        widens: vec![],
        adopts: vec![],
        foreign: vec![],
    };
    let drift = Drift {
        role: role(),
        kind: DriftKind::RoleTags,
        subject: None,
        severity: Severity::Low,
        explanation: String::new(),
        before: None,
        after: None,
    };
    let diff = Diff {
        drifts: vec![drift],
        ..Diff::default()
    };
    let observation = Observation {
        account,
        role: Sighting::Absent,
        attachments: Sighting::Absent,
        inline: Sighting::Absent,
        policies: BTreeMap::new(),
        foreign_documents: BTreeMap::new(),
        legacy_users: Sighting::Seen(BTreeSet::new()),
    };
    match judge(
        plan,
        &observation,
        &diff,
        &Guardrails::default(),
        Mode::Repair,
    ) {
        Verdict::Apply(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn role() -> RoleName {
    "Auditor".parse().unwrap()
}

fn document(kind: Kind, text: &str) -> Document {
    Document::parse(kind, text).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

async fn account(moto: &Moto, world: &World, name: &str) -> Account {
    let entry = Entry::AdminRole("OrganizationAccountAccessRole".to_owned());
    Account {
        aws: aws(moto).await,
        id: world.account(name).parse().unwrap(),
        entry,
    }
}

#[tokio::test]
async fn every_step_on_a_role_reads_back_as_it_was_taken() {
    let moto = Moto::start().await;
    let world = moto.plant("stubborn").await;
    let there = account(&moto, &world, "empty").await;
    let reader = there.reader().await;
    assert!(reader.expires_at().is_some());
    assert!(reader.role(&role()).await.unwrap().is_none());
    assert!(reader.attachments(&role(), None).await.unwrap().is_none());
    assert!(reader.inline_names(&role(), None).await.unwrap().is_none());

    let boundary: Arn = "arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap();
    let made = there
        .take(Step::CreateRole {
            role: role(),
            path: "/vendors/".parse().unwrap(),
            trust: document(Kind::Trust, TRUST),
            description: Some("Looks & sees".to_owned()),
            max_session_duration: Some(7_200),
            boundary: Some(boundary.clone()),
            tags: tags(&[("team", "security"), ("stage", "a b+c")]),
        })
        .await;
    let seen = reader.role(&role()).await.unwrap().unwrap();
    assert_eq!(made.created.as_deref(), Some(seen.role_id.as_str()));
    assert!(made.request_id.is_some());
    assert_eq!(
        seen.arn.as_str(),
        format!("arn:aws:iam::{}:role/vendors/Auditor", there.id)
    );
    assert_eq!(seen.path, "/vendors/");
    assert_eq!(seen.trust.text(), TRUST);
    assert_eq!(
        (seen.description.as_str(), seen.max_session_duration),
        ("Looks & sees", 7_200)
    );
    assert_eq!(seen.boundary, Some(boundary.clone()));
    assert_eq!(seen.tags, tags(&[("team", "security"), ("stage", "a b+c")]));

    let trust = TRUST.replace("999999999999", "888888888888");
    there
        .take(Step::UpdateAssumeRolePolicy {
            role: role(),
            trust: document(Kind::Trust, &trust),
        })
        .await;
    let description = "Looks".to_owned();
    there
        .take(Step::UpdateRole {
            role: role(),
            description,
            max_session_duration: 3_600,
        })
        .await;
    there
        .take(Step::TagRole {
            role: role(),
            tags: tags(&[("team", "platform")]),
        })
        .await;
    there
        .take(Step::UntagRole {
            role: role(),
            keys: vec!["stage".to_owned()],
        })
        .await;
    there
        .take(Step::DeleteRolePermissionsBoundary { role: role() })
        .await;
    let seen = reader.role(&role()).await.unwrap().unwrap();
    assert_eq!(seen.trust.text(), trust);
    assert_eq!(
        (seen.description.as_str(), seen.max_session_duration),
        ("Looks", 3_600)
    );
    assert_eq!(seen.tags, tags(&[("team", "platform")]));
    assert_eq!(seen.boundary, None);
    there
        .take(Step::PutRolePermissionsBoundary {
            role: role(),
            boundary: boundary.clone(),
        })
        .await;
    assert_eq!(
        reader.role(&role()).await.unwrap().unwrap().boundary,
        Some(boundary)
    );

    let inline: PolicyName = "Reads".parse().unwrap();
    assert!(
        reader
            .inline_document(&role(), &inline)
            .await
            .unwrap()
            .is_none()
    );
    let put = |policy: &PolicyName| Step::PutRolePolicy {
        role: role(),
        policy: policy.clone(),
        document: document(Kind::Identity, READ),
    };
    there.take(put(&inline)).await;
    assert_eq!(
        reader
            .inline_names(&role(), None)
            .await
            .unwrap()
            .unwrap()
            .items,
        std::slice::from_ref(&inline)
    );
    assert_eq!(
        reader
            .inline_document(&role(), &inline)
            .await
            .unwrap()
            .unwrap()
            .text(),
        READ
    );
    there
        .take(Step::DeleteRolePolicy {
            role: role(),
            policy: inline,
        })
        .await;
    assert!(
        reader
            .inline_names(&role(), None)
            .await
            .unwrap()
            .unwrap()
            .items
            .is_empty()
    );

    let audit: Arn = "arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap();
    there
        .take(Step::AttachRolePolicy {
            role: role(),
            arn: audit.clone(),
        })
        .await;
    assert_eq!(
        reader
            .attachments(&role(), None)
            .await
            .unwrap()
            .unwrap()
            .items,
        std::slice::from_ref(&audit)
    );
    there
        .take(Step::DetachRolePolicy {
            role: role(),
            arn: audit,
        })
        .await;
    assert!(
        reader
            .attachments(&role(), None)
            .await
            .unwrap()
            .unwrap()
            .items
            .is_empty()
    );
    there.take(Step::DeleteRole { role: role() }).await;
    assert!(reader.role(&role()).await.unwrap().is_none());
}

#[tokio::test]
async fn every_step_on_a_policy_reads_back_as_it_was_taken() {
    let moto = Moto::start().await;
    let world = moto.plant("stubborn").await;
    let there = account(&moto, &world, "empty").await;
    let reader = there.reader().await;
    let arn: Arn = format!("arn:aws:iam::{}:policy/vendors/Audit", there.id)
        .parse()
        .unwrap();
    assert!(reader.policy(&arn).await.unwrap().is_none());
    assert!(reader.policy_document(&arn, "v1").await.unwrap().is_none());
    assert!(reader.policy_versions(&arn, None).await.unwrap().is_none());

    let made = there
        .take(Step::CreatePolicy {
            arn: arn.clone(),
            name: "Audit".parse().unwrap(),
            path: "/vendors/".parse().unwrap(),
            document: document(Kind::Identity, READ),
            tags: tags(&[("team", "security")]),
        })
        .await;
    let seen = reader.policy(&arn).await.unwrap().unwrap();
    assert_eq!(made.created.as_deref(), Some(seen.policy_id.as_str()));
    assert_eq!(
        (seen.arn.clone(), seen.default_version_id.as_str()),
        (arn.clone(), "v1")
    );
    assert_eq!(
        (seen.tags, seen.attachment_count),
        (tags(&[("team", "security")]), 0)
    );
    assert_eq!(
        reader
            .policy_document(&arn, "v1")
            .await
            .unwrap()
            .unwrap()
            .text(),
        READ
    );

    let version = Step::CreatePolicyVersion {
        arn: arn.clone(),
        document: document(Kind::Identity, LIST),
    };
    assert_eq!(there.take(version).await.created.as_deref(), Some("v2"));
    assert_eq!(
        reader
            .policy_document(&arn, "v2")
            .await
            .unwrap()
            .unwrap()
            .text(),
        LIST
    );
    let versions = reader
        .policy_versions(&arn, None)
        .await
        .unwrap()
        .unwrap()
        .items;
    let defaults: BTreeMap<&str, bool> = versions
        .iter()
        .map(|version| (version.id.as_str(), version.is_default))
        .collect();
    assert_eq!(defaults, BTreeMap::from([("v1", false), ("v2", true)]));

    there
        .take(Step::DeletePolicyVersion {
            arn: arn.clone(),
            version_id: "v1".to_owned(),
        })
        .await;
    there
        .take(Step::TagPolicy {
            arn: arn.clone(),
            tags: tags(&[("stage", "prod")]),
        })
        .await;
    there
        .take(Step::UntagPolicy {
            arn: arn.clone(),
            keys: vec!["team".to_owned()],
        })
        .await;
    let seen = reader.policy(&arn).await.unwrap().unwrap();
    assert_eq!(
        (seen.default_version_id.as_str(), seen.tags),
        ("v2", tags(&[("stage", "prod")]))
    );
    assert!(reader.policy_document(&arn, "v1").await.unwrap().is_none());
    there.take(Step::DeletePolicy { arn: arn.clone() }).await;
    assert!(reader.policy(&arn).await.unwrap().is_none());

    assert_eq!(
        reader.user_exists("alice").await.unwrap(),
        Sighting::Seen(())
    );
    assert_eq!(reader.user_exists("bob").await.unwrap(), Sighting::Absent);
}

#[tokio::test]
async fn what_aws_refuses_has_its_category() {
    let moto = Moto::start().await;
    let world = moto.plant("stubborn").await;
    let there = account(&moto, &world, "empty").await;
    let foreign = account(&moto, &world, "foreign-role").await;
    let detach = Step::DetachRolePolicy {
        role: role(),
        arn: "arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap(),
    };
    let create = Step::CreateRole {
        role: "CloudCoreoAssumedRolePolicyToo".parse().unwrap(),
        path: "/".parse().unwrap(),
        trust: document(Kind::Trust, TRUST),
        description: None,
        max_session_duration: None,
        boundary: None,
        tags: BTreeMap::new(),
    };
    let delete = Step::DeleteRole {
        role: "CloudCoreoAssumedRolePolicyToo".parse().unwrap(),
    };
    let elsewhere = Step::DeletePolicy {
        arn: format!("arn:aws:iam::{}:policy/TeamPolicy", foreign.id)
            .parse()
            .unwrap(),
    };
    for (step, category) in [
        (detach, Category::NotFound),
        (create, Category::Conflict),
        (delete, Category::Conflict),
        // Not AWS's word but ours: a policy of another account is never meant.
        (elsewhere, Category::Internal),
    ] {
        let permit = permit(there.id, step.clone());
        let writer = there
            .aws
            .sessions()
            .writer(there.request(), &permit)
            .await
            .unwrap();
        let fault = writer.execute(&step).await.unwrap_err();
        assert_eq!(fault.category, category, "{step}: {fault}");
        assert_eq!(fault.operation, Some(step.operation()));
    }
    let permit = permit(foreign.id, Step::DeleteRole { role: role() });
    let fault = there
        .aws
        .sessions()
        .writer(there.request(), &permit)
        .await
        .unwrap_err();
    assert_eq!(
        fault.category,
        Category::Internal,
        "a permit for one account opened another"
    );
}

/// moto knows no service-specific credentials; everything else it does.
struct ButServiceCredentials(rolekeeper_aws::UserReader);

impl UserReader for ButServiceCredentials {
    async fn user(&self) -> Result<Option<UserFacts>, Fault> {
        self.0.user().await
    }

    async fn has_password(&self) -> Result<bool, Fault> {
        self.0.has_password().await
    }

    async fn keys(&self, next: Option<&str>) -> Result<Option<Page<AccessKey>>, Fault> {
        self.0.keys(next).await
    }

    async fn last_use(&self, key: &str) -> Result<Option<KeyUse>, Fault> {
        self.0.last_use(key).await
    }

    async fn belongings(
        &self,
        kind: Belonging,
        next: Option<&str>,
    ) -> Result<Option<Page<String>>, Fault> {
        match kind {
            Belonging::ServiceCredential => Ok(Some(Page::default())),
            other => self.0.belongings(other, next).await,
        }
    }
}

#[tokio::test]
async fn a_user_that_was_left_behind_is_seen_whole_and_taken_apart() {
    let moto = Moto::start().await;
    let world = moto.plant("legacy").await;
    let there = account(&moto, &world, "legacy").await;
    let request = |user| UserRequest {
        account: there.id,
        entry: &there.entry,
        label: "test",
        user,
    };
    let sessions = there.aws.sessions();
    let before = moto.dump().await;

    let nobody = ButServiceCredentials(sessions.user_reader(request("nobody")).await.unwrap());
    assert_eq!(retire::look(&nobody).await.unwrap(), None);

    let reader = sessions.user_reader(request("cloudcoreo")).await.unwrap();
    let reader = ButServiceCredentials(reader);
    let user = retire::look(&reader).await.unwrap().unwrap();
    assert_eq!(
        user.arn.as_str(),
        format!("arn:aws:iam::{}:user/cloudcoreo", there.id)
    );
    let active: Vec<bool> = user.keys.iter().map(|key| key.active).collect();
    assert_eq!((active, user.has_password), (vec![true, false], true));
    let device = format!("arn:aws:iam::{}:mfa/phone", there.id);
    let belongings = [
        (
            Belonging::AttachedPolicy,
            "arn:aws:iam::aws:policy/SecurityAudit",
        ),
        (Belonging::InlinePolicy, "six-actions"),
        (Belonging::Group, "people"),
        (Belonging::Device, &device),
    ];
    assert_eq!(
        user.belongings,
        belongings.map(|(kind, id)| (kind, id.to_owned())).into()
    );

    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let steps = retirement(&user, jiff::SignedDuration::from_hours(24), now).unwrap();
    let writer = sessions
        .user_writer(request("cloudcoreo"), &steps)
        .await
        .unwrap();
    for step in &steps {
        let answer = writer.take(step).await;
        assert!(answer.is_ok(), "{step:?}: {answer:?}");
    }
    assert_eq!(reader.user().await.unwrap(), None);

    // Nothing else went with it.
    let after = moto.dump().await;
    let id = there.id.to_string();
    let users = |dump: &serde_json::Value| {
        let users = dump[&id]["iam"]["UserDetailList"]
            .as_array()
            .unwrap()
            .clone();
        users
            .into_iter()
            .filter(|user| user["UserName"] != "cloudcoreo")
            .collect::<Vec<_>>()
    };
    assert_eq!(users(&after), users(&before));
    assert_eq!(
        after[&id]["iam"]["UserDetailList"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for list in ["RoleDetailList", "GroupDetailList"] {
        assert_eq!(after[&id]["iam"][list], before[&id]["iam"][list], "{list}");
    }
    // A second time there is nothing to do.
    assert_eq!(retire::look(&reader).await.unwrap(), None);
}
