//! What is there beside the specification.

use super::{Change, Collector, content};
use crate::diff::{unexpected_attachments, unexpected_inline, within_spec};
use crate::drift::DriftKind;
use crate::plan::Step;
use crate::planner::GUARD_POLICY_NAME;
use crate::planner::effect::Content;
use crate::policy::{Document, Effect};
use crate::role::Extras;

impl Collector<'_> {
    pub(super) fn unexpected(&mut self) {
        if self.spec.extras != Extras::Ignore {
            for arn in unexpected_attachments(self.spec, self.observation) {
                let step = Step::DetachRolePolicy {
                    role: self.spec.name.clone(),
                    arn: arn.clone(),
                };
                let content = self.foreign(&arn);
                self.remove(
                    step,
                    content,
                    arn.as_str(),
                    DriftKind::AttachmentUnexpected,
                    false,
                );
            }
        }
        for (name, document) in unexpected_inline(self.spec, self.observation) {
            let step = Step::DeleteRolePolicy {
                role: self.spec.name.clone(),
                policy: name.clone(),
            };
            let left_behind = name.as_str() == GUARD_POLICY_NAME;
            self.remove(
                step,
                content(document.seen()),
                name.as_str(),
                DriftKind::InlineUnexpected,
                left_behind,
            );
        }
    }

    fn remove(&mut self, step: Step, before: Content, name: &str, kind: DriftKind, always: bool) {
        if self.spec.extras == Extras::Remove || always {
            self.removal(step, before, kind);
            return;
        }
        self.withhold(
            &step,
            "the specification says `extras = \"report\"`".to_owned(),
        );
        let harmless = before.document().is_some_and(|document| {
            within_spec(document, self.spec, self.observation) || !allows_anything(document)
        });
        if !harmless {
            self.changes
                .excess
                .push(format!("{name} was not agreed and stays"));
        }
    }

    pub(super) fn removal(&mut self, step: Step, before: Content, kind: DriftKind) {
        let shift = self.shift(&before, &Content::Nothing);
        let gained = if shift.loosens() {
            vec![format!(
                "{}: what {} denied is no longer denied",
                self.spec.name,
                step.resource()
            )]
        } else {
            Vec::new()
        };
        self.push(Change {
            shift,
            prepare: Vec::new(),
            steps: vec![step],
            because: vec![kind],
            before,
            after: Content::Nothing,
            gained,
        });
    }
}

fn allows_anything(document: &Document) -> bool {
    document
        .statements()
        .iter()
        .any(|statement| statement.effect() == Effect::Allow)
}
