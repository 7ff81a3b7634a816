//! `rolekeeper bootstrap`: one account outside the organization, provisioned with the six permissions of the FAQ's
//! temporary user and nothing else. The keys are used and forgotten.
//!
//! With these six permissions little can be read: not what is attached, not what a policy says. What follows from
//! what can be read is taken for seen (a role that is not there has nothing attached); where nothing follows,
//! nothing is changed and the reason is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use rolekeeper_aws::{Aws, HubKeys};
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::diff::diff;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Guardrails, judge};
use rolekeeper_domain::observation::{Observation, ObservedDocument, ObservedPolicy, Sighting};
use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::ownership::OwnershipRecord;
use rolekeeper_domain::plan::{Plan, Step};
use rolekeeper_domain::planner::plan;
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::verdict::Verdict;
use rolekeeper_engine::port::directory::{Caller, Directory as _};
use rolekeeper_engine::port::session::{
    Entry, RoleReader, RoleWriter as _, SessionProvider as _, SessionRequest,
};
use rolekeeper_engine::settings::{Place, Roles as _};
use secrecy::SecretString;

use crate::app::App;
use crate::args::BootstrapArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, plain};
use crate::specs::Specs;
use crate::wall_clock::pause;
use crate::wire;

/// The six actions of the FAQ.
const SIX: [&str; 6] = [
    "iam:GetUser",
    "iam:CreatePolicy",
    "iam:GetPolicy",
    "iam:CreateRole",
    "iam:GetRole",
    "iam:AttachRolePolicy",
];
/// Looks at what was made before giving up, and the time between them: IAM is eventually consistent.
const LOOKS: u32 = 20;
const BETWEEN: std::time::Duration = std::time::Duration::from_secs(3);

/// Provisions the account that the keys belong to.
pub(crate) async fn run(app: &App, args: BootstrapArgs) -> Result<Exit, Failure> {
    let mut config = app.config()?;
    if args.profile.is_some() {
        config.aws.profile.clone_from(&args.profile);
    }
    let aws = match args.stdin {
        true => wire::aws_with(&config, keys_from(std::io::stdin())?).await?,
        false => wire::aws(&config).await?,
    };
    let caller = aws.directory().caller().await.map_err(told)?;
    app.terminal.tell(&format!(
        "The keys belong to {} in account {}.",
        plain(caller.arn.as_str()),
        caller.account
    ));
    let place = Place {
        account: caller.account,
        partition: caller.partition,
        organization_id: "",
        hub_account: caller.account,
    };
    let specs = Specs::new(&config)?.0.wanted(&place).map_err(told)?;
    let mut all_done = true;
    for spec in specs.iter() {
        let site = Site {
            app,
            aws: &aws,
            caller: &caller,
            spec,
        };
        all_done &= site.provision(&args).await?;
    }
    if all_done && !args.plan {
        app.terminal.tell("The keys are not kept. Deactivate and delete them, then the user: that is the FAQ's last step.");
    }
    Ok(if all_done { Exit::Clean } else { Exit::Drift })
}

fn told(fault: Fault) -> Failure {
    let failure = Failure::new(plain(&fault.to_string()));
    match fault.category {
        Category::AccessDenied => failure.with_help(format!("the user needs {}", SIX.join(", "))),
        Category::Credentials => failure.with_help(
            "keys come from the environment, from --profile or, with --stdin, from standard input",
        ),
        _ => failure,
    }
}

/// Keys as two or three lines: id, secret and, for temporary ones, session token.
fn keys_from(mut input: impl std::io::Read) -> Result<HubKeys, Failure> {
    const MOST: u64 = 16 * 1024; // session tokens have about a thousand characters
    let mut text = String::new();
    input.by_ref().take(MOST).read_to_string(&mut text)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (Some(id), Some(secret)) = (lines.next(), lines.next()) else {
        return Err(Failure::new("standard input has no keys").with_help(
            "one line each: access key id, secret, and the session token of temporary keys",
        ));
    };
    Ok(HubKeys::Keys {
        access_key_id: id.to_owned(),
        secret_access_key: SecretString::from(secret.to_owned()),
        session_token: lines
            .next()
            .map(|token| SecretString::from(token.to_owned())),
    })
}

/// One role in the one account.
struct Site<'a> {
    app: &'a App,
    aws: &'a Aws,
    caller: &'a Caller,
    spec: &'a RoleSpec,
}

impl Site<'_> {
    /// Makes what is missing; answers whether the role is now there as specified.
    async fn provision(&self, args: &BootstrapArgs) -> Result<bool, Failure> {
        let observation = self.look().await?;
        let difference = diff(self.spec, &observation, &OwnershipRecord::default());
        for drift in &difference.drifts {
            self.app.terminal.show(&format!(
                "{} {}: {}\n",
                drift.severity,
                drift.kind,
                plain(&drift.explanation)
            ))?;
        }
        let planned = plan(
            self.spec,
            &observation,
            &difference,
            &OwnershipRecord::default(),
        );
        let (planned, beyond) = within_the_six(planned);
        for step in &beyond {
            let words = format!("{step}: not one of the six permissions; it is left to a person");
            self.app.terminal.show(&format!(
                "{} {}\n",
                self.app.terminal.paint(Style::Warning, "withheld"),
                plain(&words)
            ))?;
        }
        for step in &planned.steps {
            self.app
                .terminal
                .show(&format!("{}\n", plain(&step.step.to_string())))?;
        }
        if planned.is_empty() || args.plan {
            let right = difference.is_in_sync();
            if right {
                self.app.terminal.show(&format!(
                    "The role {} is there as specified.\n",
                    self.spec.name
                ))?;
            }
            return Ok(right);
        }
        if !args.yes
            && self.app.terminal.can_ask
            && !self
                .app
                .terminal
                .ask(&format!("Do this in account {}?", self.caller.account))?
        {
            self.app.terminal.tell("Nothing was written to AWS.");
            return Ok(false);
        }
        self.carry_out(planned, &observation, &difference).await?;
        Ok(self.settled().await? && beyond.is_empty())
    }

    async fn reader(&self) -> Result<rolekeeper_aws::Reader, Failure> {
        self.aws
            .sessions()
            .reader(self.request())
            .await
            .map_err(told)
    }

    fn request(&self) -> SessionRequest<'_> {
        SessionRequest {
            account: self.caller.account,
            entry: &Entry::Hub,
            label: "bootstrap",
            roles: std::slice::from_ref(self.spec),
        }
    }

    /// What can be seen with `GetRole` and `GetPolicy`, and what follows from it.
    async fn look(&self) -> Result<Observation, Failure> {
        let reader = self.reader().await?;
        let role = reader.role(&self.spec.name).await.map_err(told)?;
        let mut policies = BTreeMap::new();
        let mut attached: BTreeSet<Arn> = BTreeSet::new();
        for policy in &self.spec.managed_policies {
            let arn = self.spec.policy_arn(self.caller.account, policy);
            let sighting = match reader.policy(&arn).await.map_err(told)? {
                None => Sighting::Absent,
                Some(found) => {
                    if role.is_some() && found.attachment_count > 0 {
                        attached.insert(arn.clone());
                    }
                    // The text cannot be read; AWS makes `v1` with the policy, and only a person makes others.
                    let document = ObservedDocument::Valid(policy.document.clone());
                    Sighting::Seen(ObservedPolicy {
                        document: Sighting::Seen(document),
                        ..found
                    })
                }
            };
            policies.insert(arn, sighting);
        }
        let (attachments, inline) = if role.is_some() {
            // Policies of others cannot be seen; attaching again what is attached changes nothing.
            (
                Sighting::Seen(attached),
                Sighting::Seen(
                    self.spec
                        .inline
                        .keys()
                        .map(|name| (name.clone(), Sighting::Absent))
                        .collect(),
                ),
            )
        } else {
            (Sighting::Absent, Sighting::Absent)
        };
        Ok(Observation {
            account: self.caller.account,
            role: role.map_or(Sighting::Absent, Sighting::Seen),
            attachments,
            inline,
            policies,
            foreign_documents: BTreeMap::new(),
            legacy_users: Sighting::Seen(BTreeSet::new()),
        })
    }

    async fn carry_out(
        &self,
        planned: Plan,
        observation: &Observation,
        difference: &rolekeeper_domain::drift::Diff,
    ) -> Result<(), Failure> {
        let permit = match judge(
            planned,
            observation,
            difference,
            &Guardrails::default(),
            Mode::Repair,
        ) {
            Verdict::Apply(permit) => permit,
            Verdict::Refuse(_, refusals) => {
                let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                return Err(Failure::new(words.join("; ")));
            }
            Verdict::InSync | Verdict::ReportOnly(_) => return Ok(()),
        };
        let writer = self
            .aws
            .sessions()
            .writer(self.request(), &permit)
            .await
            .map_err(told)?;
        for step in &permit.plan().steps {
            self.take(&writer, &step.step).await?;
        }
        Ok(())
    }

    /// Takes one step; what was made a moment ago may not be seen yet by the next.
    async fn take(&self, writer: &rolekeeper_aws::Writer, step: &Step) -> Result<(), Failure> {
        let mut looks = 0;
        loop {
            match writer.execute(step).await {
                Ok(_) => {
                    self.app.terminal.show(&format!(
                        "{} {}\n",
                        self.app.terminal.paint(Style::Good, "done"),
                        plain(&step.to_string())
                    ))?;
                    return Ok(());
                }
                Err(fault) if fault.category == Category::NotFound && looks < LOOKS => looks += 1,
                Err(fault) => return Err(told(fault)),
            }
            pause(BETWEEN).await;
        }
    }

    /// Looks until the role reads back right; answers whether nothing at all is left.
    async fn settled(&self) -> Result<bool, Failure> {
        for _ in 0..LOOKS {
            let observation = self.look().await?;
            let difference = diff(self.spec, &observation, &OwnershipRecord::default());
            if difference.drifts.iter().all(|drift| is_beyond(drift.kind)) {
                let whole = difference.drifts.is_empty();
                let but = if whole {
                    ""
                } else {
                    ", but for its tags: they need permissions of their own"
                };
                let words = format!(
                    "The role {} reads back as specified{but}.\n",
                    self.spec.name
                );
                self.app.terminal.show(&words)?;
                return Ok(whole);
            }
            pause(BETWEEN).await;
        }
        Err(Failure::new(format!(
            "the role {} does not read back right yet; run the command again in a minute",
            self.spec.name
        )))
    }
}

/// Tags need permissions of their own, which the FAQ's user lacks.
const fn is_beyond(kind: rolekeeper_domain::drift::DriftKind) -> bool {
    use rolekeeper_domain::drift::DriftKind;
    matches!(kind, DriftKind::RoleTags | DriftKind::PolicyTags)
}

/// The plan with only what the six permissions allow, and the steps that go beyond them.
fn within_the_six(mut planned: Plan) -> (Plan, Vec<String>) {
    let mut beyond = Vec::new();
    planned.steps.retain_mut(|step| {
        match &mut step.step {
            Step::CreateRole { tags, .. } | Step::CreatePolicy { tags, .. } => tags.clear(),
            _ => {}
        }
        let allowed = SIX.contains(&step.step.operation().action().as_str());
        if !allowed {
            beyond.push(step.step.to_string());
        }
        allowed
    });
    (planned, beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_two_or_three_lines_and_never_shown() {
        let keys = keys_from("AKIAEXAMPLE\n very-secret \n\n".as_bytes());
        let shown = format!("{keys:?}");
        assert!(shown.contains("AKIAEXAMPLE"), "{shown}");
        assert!(!shown.contains("very-secret"), "{shown}");
        assert!(keys_from("AKIAEXAMPLE\n".as_bytes()).is_err());
    }
}
