//! Managed policies on the way back.

use super::{Way, owned, tags_before, tags_of};
use crate::arn::Arn;
use crate::diff::oldest_idle_version;
use crate::limits;
use crate::observation::PolicyVersion;
use crate::plan::{Band, Step};
use crate::planner::undo::state::{Facet, State};
use crate::planner::undo::{Taken, path_and_name};
use crate::policy::{Document, Kind};

impl Way<'_> {
    pub(super) fn policy_tags<'k>(
        &mut self,
        arn: &Arn,
        keys: impl Iterator<Item = &'k String>,
        prior: &State,
    ) {
        let facet = |key| Facet::PolicyTag(arn.clone(), key);
        let (tags, gone) = tags_before(keys, |key| prior.get(&facet(key)).cloned());
        if !tags.is_empty() {
            self.push(
                Step::TagPolicy {
                    arn: arn.clone(),
                    tags,
                },
                Band::Turn,
            );
        }
        if !gone.is_empty() {
            self.push(
                Step::UntagPolicy {
                    arn: arn.clone(),
                    keys: gone,
                },
                Band::Turn,
            );
        }
    }

    /// A new version that says what the old one said: ids are never used again.
    pub(super) fn document(
        &mut self,
        taken: &Taken,
        arn: &Arn,
        from: Option<&Document>,
        prior: &State,
    ) {
        let facet = Facet::Document(arn.clone());
        let Some(text) = prior.get(&facet).cloned().flatten() else {
            return self.unknown(taken);
        };
        let Some(document) = self.parsed(Kind::Identity, &text, &facet) else {
            return;
        };
        let band = match from {
            Some(from) => self.weigh(from, &document, &facet.words()),
            None => {
                self.plan
                    .widens
                    .push(format!("{} is again as it was", facet.words()));
                Band::Widen
            }
        };
        self.make_room(arn);
        self.push(
            Step::CreatePolicyVersion {
                arn: arn.clone(),
                document,
            },
            band,
        );
        if let Some(versions) = self.versions.get_mut(arn) {
            versions
                .iter_mut()
                .for_each(|version| version.is_default = false);
            // Its id is not known yet; it is in force, so it is never the one to go.
            versions.push(PolicyVersion {
                id: String::new(),
                is_default: true,
                created_at: i64::MAX,
            });
        }
    }

    fn make_room(&mut self, arn: &Arn) {
        let Some(versions) = self.versions.get_mut(arn) else {
            return;
        };
        if versions.len() < limits::VERSIONS_PER_POLICY {
            return;
        }
        let oldest = oldest_idle_version(versions).map(|version| version.id.clone());
        let Some(version_id) = oldest.filter(|id| !id.is_empty()) else {
            return;
        };
        versions.retain(|version| version.id != version_id);
        self.push(
            Step::DeletePolicyVersion {
                arn: arn.clone(),
                version_id,
            },
            Band::Narrow,
        );
    }

    pub(super) fn delete_policy(&mut self, arn: &Arn) {
        let idle = self
            .versions
            .get(arn)
            .into_iter()
            .flatten()
            .filter(|version| !version.is_default);
        let idle: Vec<String> = idle.map(|version| version.id.clone()).collect();
        for version_id in idle {
            self.push(
                Step::DeletePolicyVersion {
                    arn: arn.clone(),
                    version_id,
                },
                Band::Narrow,
            );
        }
        self.push(Step::DeletePolicy { arn: arn.clone() }, Band::Narrow);
    }

    pub(super) fn make_policy(&mut self, arn: &Arn, prior: &State, taken: &Taken) {
        let facet = Facet::Document(arn.clone());
        let text = prior.get(&facet).cloned().flatten();
        let document = text.and_then(|text| self.parsed(Kind::Identity, &text, &facet));
        let (Some(document), Ok((path, name)), Some(before)) =
            (document, path_and_name(arn), &taken.before)
        else {
            return self.unknown(taken);
        };
        let tags = owned(tags_of(before));
        let step = Step::CreatePolicy {
            arn: arn.clone(),
            name,
            path,
            document,
            tags,
        };
        self.push(step, Band::Widen);
    }
}
