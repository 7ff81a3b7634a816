//! May this principal do this: asked of the domain's evaluator, answered in
//! the words of AWS.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::policy::{
    ConditionContext, Decision, Document, Policies, PolicyType, Principal, Request, evaluate,
};

use crate::call::ApiError;
use crate::iam::aws_managed;
use crate::iam::paper::Paper;
use crate::iam::state::{Entity, Iam, Text};
use crate::world::caller::{Caller, Identity};

/// What is asked for.
pub(crate) struct Wish<'a> {
    /// `service:Action`.
    pub(crate) action: &'a str,
    /// The ARN that policies are matched against.
    pub(crate) resource: Cow<'a, str>,
    /// The resource as the error text names it; none: the ARN.
    pub(crate) wording: Option<String>,
    /// The condition keys of the request itself.
    pub(crate) context: Vec<(String, Vec<String>)>,
}

impl<'a> Wish<'a> {
    pub(crate) fn of(action: &'a str, resource: impl Into<Cow<'a, str>>) -> Self {
        Self {
            action,
            resource: resource.into(),
            wording: None,
            context: Vec::new(),
        }
    }

    /// Puts the tags that a request carries into its context.
    pub(crate) fn tags(&mut self, tags: &[(&str, &str)]) {
        if tags.is_empty() {
            return;
        }
        self.context.push((
            "aws:TagKeys".to_owned(),
            tags.iter().map(|(key, _)| (*key).to_owned()).collect(),
        ));
        self.context.extend(
            tags.iter()
                .map(|(key, value)| (format!("aws:RequestTag/{key}"), vec![(*value).to_owned()])),
        );
    }
}

/// The policies of an organization that bind an account, level by level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rails {
    pub(crate) service: Vec<Vec<Document>>,
    pub(crate) resource: Vec<Vec<Document>>,
    pub(crate) conditional: bool,
}

/// What a principal brings along.
#[derive(Debug, Default)]
pub(crate) struct Powers {
    identity: Vec<Document>,
    boundary: Option<Document>,
    session: Option<Vec<Document>>,
    conditional: bool,
}

impl Powers {
    /// The policies of a caller, as its account's IAM has them.
    pub(crate) fn of(caller: &Caller, iam: &Iam) -> Self {
        let mut powers = Self::default();
        match &caller.identity {
            Identity::User { name } => {
                if let Some(user) = iam.users.get(name) {
                    powers.add_entity(&user.entity, iam, caller.account);
                    for group in user.groups.iter().filter_map(|group| iam.groups.get(group)) {
                        powers.add_entity(&group.entity, iam, caller.account);
                    }
                }
            }
            Identity::Outsider => powers.identity.extend(everything().meaning().cloned()),
            Identity::Session(session) => {
                if let Some(role) = iam
                    .roles
                    .get(&session.role_name)
                    .filter(|role| role.entity.id == session.role_id)
                {
                    powers.add_entity(&role.entity, iam, caller.account);
                }
                if let Some(papers) = &session.policies {
                    powers.session = Some(
                        papers
                            .iter()
                            .filter_map(|paper| paper.meaning().cloned())
                            .collect(),
                    );
                    powers.conditional |= papers.iter().any(|paper| paper.is_conditional());
                }
            }
        }
        powers
    }

    /// Whether any of the policies looks at the context of requests.
    pub(crate) const fn is_conditional(&self) -> bool {
        self.conditional
    }

    fn add_entity(&mut self, entity: &Entity, iam: &Iam, account: AccountId) {
        for arn in &entity.attached {
            if let Some(paper) = managed(arn, iam, account) {
                self.add(&paper);
            }
        }
        for (_, paper) in &entity.inline {
            self.add(paper);
        }
        if let Some(paper) = entity
            .boundary
            .as_ref()
            .and_then(|arn| managed(arn, iam, account))
        {
            self.conditional |= paper.is_conditional();
            self.boundary = paper.meaning().cloned();
        }
    }

    fn add(&mut self, paper: &Paper) {
        self.conditional |= paper.is_conditional();
        self.identity.extend(paper.meaning().cloned());
    }
}

/// What an outsider may do at home.
fn everything() -> &'static Paper {
    static EVERYTHING: OnceLock<Arc<Paper>> = OnceLock::new();
    EVERYTHING.get_or_init(|| {
        Paper::known(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#)
    })
}

/// The document in force of a managed policy.
pub(crate) fn managed(arn: &str, iam: &Iam, account: AccountId) -> Option<Arc<Paper>> {
    let policy = match aws_managed::find(arn) {
        Some(policy) => policy,
        None => crate::iam::policies::by_arn(iam, account, arn)?,
    };
    policy.document().cloned()
}

/// Everything that decides one request.
pub(crate) struct Case<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) powers: &'a Powers,
    /// What binds the caller's account; none for the management account.
    pub(crate) rails: &'a Rails,
    /// What binds the resource's account.
    pub(crate) resource_rails: &'a [Vec<Document>],
    /// The trust policy, for `sts:AssumeRole` and its siblings.
    pub(crate) trust: Option<&'a Paper>,
    pub(crate) same_account: bool,
    pub(crate) organization: &'a Text,
}

/// Decides, without words.
pub(crate) fn decide(case: &Case<'_>, wish: &Wish<'_>) -> Decision {
    let principal = principal_of(case.caller);
    let conditional = case.powers.conditional
        || case.rails.conditional
        || !case.resource_rails.is_empty()
        || case.trust.is_some_and(Paper::is_conditional);
    let context = if conditional {
        context_of(case, wish)
    } else {
        ConditionContext::new()
    };
    let request = Request {
        principal,
        action: wish.action.to_owned(),
        resource: wish.resource.clone().into_owned(),
        context,
    };
    let service: Vec<&[Document]> = case.rails.service.iter().map(Vec::as_slice).collect();
    let resource: Vec<&[Document]> = case.resource_rails.iter().map(Vec::as_slice).collect();
    let policies = Policies {
        identity: &case.powers.identity,
        boundary: case.powers.boundary.as_ref(),
        session: case.powers.session.as_deref(),
        scps: &service,
        rcps: &resource,
        resource: case.trust.and_then(Paper::meaning),
        same_account: case.same_account,
    };
    evaluate(&request, &policies)
}

/// Decides, and says no as AWS says it.
pub(crate) fn authorize(case: &Case<'_>, wish: &Wish<'_>) -> Result<(), ApiError> {
    let because = match decide(case, wish) {
        Decision::Allowed { .. } => return Ok(()),
        Decision::ExplicitDeny { by, .. } => {
            format!(" with an explicit deny in {} {by}", article(by))
        }
        // Across accounts AWS does not tell what a trust policy lacks.
        Decision::ImplicitDeny {
            missing: PolicyType::Resource,
        } => String::new(),
        Decision::ImplicitDeny { missing } => {
            format!(" because no {missing} allows the {} action", wish.action)
        }
    };
    let resource = wish.wording.as_deref().unwrap_or(&wish.resource);
    let message = format!(
        "User: {} is not authorized to perform: {} on resource: {resource}{because}",
        case.caller.arn(),
        wish.action
    );
    Err(ApiError::new(403, "AccessDenied", message))
}

const fn article(by: PolicyType) -> &'static str {
    match by {
        PolicyType::Identity => "an",
        _ => "a",
    }
}

fn principal_of(caller: &Caller) -> Principal {
    match &caller.identity {
        Identity::User { .. } | Identity::Outsider => Principal::User { arn: caller.arn() },
        Identity::Session(session) => Principal::Session {
            role: session.role_arn.to_string(),
            name: session.name.to_string(),
        },
    }
}

fn context_of(case: &Case<'_>, wish: &Wish<'_>) -> ConditionContext {
    let mut context = ConditionContext::new();
    if !matches!(case.caller.identity, Identity::Outsider) {
        context.set("aws:PrincipalOrgID", case.organization.to_string());
    }
    context.set("aws:userid", case.caller.user_id());
    context.set("aws:SecureTransport", "true");
    context.set("aws:ResourceOrgID", case.organization.to_string());
    match &case.caller.identity {
        Identity::User { name } => context.set("aws:username", name.to_string()),
        Identity::Outsider => {}
        Identity::Session(session) => {
            if let Some(identity) = &session.source_identity {
                context.set("aws:SourceIdentity", identity.to_string());
            }
        }
    }
    for (key, values) in &wish.context {
        context.set_many(key, values.iter().cloned());
    }
    context
}
