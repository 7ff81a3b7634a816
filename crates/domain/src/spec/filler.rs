//! One account's values, filled into a template's texts.

use std::collections::BTreeMap;

use super::rotation::{Ids, with_either};
use super::substitute::{Setting, Unfilled, fill};
use super::template::{Binding, ExternalId, SpecTemplate, TemplateError, too_long};
use crate::account::AccountId;
use crate::arn::{Arn, Partition};
use crate::limits;
use crate::policy::{Document, Kind};
use crate::role::OWNER_TAG_KEY;

/// The values of one account.
pub(super) struct Filler<'a> {
    account_id: String,
    hub_account_id: String,
    vendor_account_id: Option<String>,
    external_id: Option<&'a ExternalId>,
    /// Accepted as well, wherever a condition compares with the external id.
    either: Option<&'a ExternalId>,
    organization_id: Option<&'a str>,
    partition: Partition,
}

impl<'a> Filler<'a> {
    pub(super) fn new(
        template: &'a SpecTemplate,
        binding: &'a Binding,
        account: AccountId,
        ids: Ids,
    ) -> Self {
        let present = template.external_id.as_ref();
        let next = template.next_external_id.as_ref().map(|next| &next.id);
        let (external_id, either) = match ids {
            Ids::Present => (present, None),
            Ids::Both => (present, next),
            Ids::Next => (next.or(present), None),
        };
        Self {
            account_id: account.to_string(),
            hub_account_id: binding.hub_account_id.to_string(),
            vendor_account_id: template.vendor_account_id.map(|id| id.to_string()),
            external_id,
            either,
            organization_id: binding.organization_id.as_deref(),
            partition: binding.partition,
        }
    }

    fn value(&self, name: &'static str) -> Option<&str> {
        match name {
            "account_id" => Some(&self.account_id),
            "partition" => Some(self.partition.as_str()),
            "organization_id" => self.organization_id,
            "hub_account_id" => Some(&self.hub_account_id),
            "vendor_account_id" => self.vendor_account_id.as_deref(),
            "external_id" => self.external_id.map(|id| id.0.as_str()),
            _ => None,
        }
    }

    fn fill(&self, part: &str, text: &str, setting: Setting) -> Result<String, TemplateError> {
        fill(text, setting, |name| self.value(name)).map_err(|unfilled| match unfilled {
            Unfilled::Unknown(unknown) => TemplateError::new(part, unknown),
            Unfilled::WithoutValue(name) => {
                TemplateError::new(part, format!("it uses `${{{name}}}`, which has no value"))
            }
        })
    }

    pub(super) fn plain(&self, part: &str, text: &str) -> Result<String, TemplateError> {
        self.fill(part, text, Setting::Plain)
    }

    pub(super) fn document(
        &self,
        part: &str,
        kind: Kind,
        text: &str,
        limit: usize,
    ) -> Result<Document, TemplateError> {
        let parse = |text: &str| {
            let text = self.fill(part, text, Setting::Json)?;
            Document::parse(kind, &text).map_err(|error| TemplateError::new(part, error))
        };
        // With one id first: what is wrong with the document is said as the author wrote it.
        let mut document = parse(text)?;
        if let Some(text) = self.either.and_then(|next| with_either(text, next)) {
            document = parse(&text)?;
        }
        let size = document.size();
        if size > limit {
            Err(too_long(part, size, limit))
        } else {
            Ok(document)
        }
    }

    pub(super) fn arn(&self, part: &str, text: &str) -> Result<Arn, TemplateError> {
        let arn: Arn = self
            .plain(part, text)?
            .parse()
            .map_err(|error| TemplateError::new(part, error))?;
        if arn.partition() != Some(self.partition) {
            let partition = self.partition;
            return Err(TemplateError::new(
                part,
                format!(
                    "{arn} belongs to another partition than this organization's ({partition}); write arn:${{partition}}:…"
                ),
            ));
        }
        if arn.service() != "iam" || !arn.resource().starts_with("policy/") {
            return Err(TemplateError::new(
                part,
                format!("{arn} is not the ARN of a managed policy"),
            ));
        }
        Ok(arn)
    }

    pub(super) fn tags(
        &self,
        part: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, TemplateError> {
        // One place is the owner tag's.
        if tags.len() >= limits::TAGS_PER_RESOURCE {
            return Err(TemplateError::new(
                part,
                format!(
                    "{} tags, and IAM takes {} with rolekeeper's own",
                    tags.len(),
                    limits::TAGS_PER_RESOURCE
                ),
            ));
        }
        let mut filled = BTreeMap::new();
        for (key, text) in tags {
            let value = self.plain(part, text)?;
            if key.is_empty() || key.chars().count() > limits::TAG_KEY_CHARACTERS {
                return Err(TemplateError::new(
                    part,
                    format!(
                        "the key `{key}` has to have 1 to {} characters",
                        limits::TAG_KEY_CHARACTERS
                    ),
                ));
            }
            if key == OWNER_TAG_KEY || key.to_ascii_lowercase().starts_with("aws:") {
                return Err(TemplateError::new(
                    part,
                    format!("the key `{key}` is not yours to set"),
                ));
            }
            if value.chars().count() > limits::TAG_VALUE_CHARACTERS {
                return Err(too_long(
                    &format!("{part} {key}"),
                    value.chars().count(),
                    limits::TAG_VALUE_CHARACTERS,
                ));
            }
            filled.insert(key.clone(), value);
        }
        Ok(filled)
    }
}
