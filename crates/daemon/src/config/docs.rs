//! docs/CONFIGURATION.md, made from the same lines that read the configuration.

use super::hooks::{Events, WebhookEntry};
use super::register::{CloudCoreo, RegisterEntry};
use super::roles::{Entry, InlinePolicy, ManagedPolicy};
use super::settings::{KeyDoc, Settings};
use super::tables::{Aws, Freeze, Http, Limits, Match, Rollout, Schedule, Store};

const INTRODUCTION: &str = include_str!("introduction.md");

/// The whole page.
pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    table::<Aws>(&mut page, "[aws]");
    table::<Match>(&mut page, "[select.include] and [select.exclude]");
    table::<Entry>(&mut page, "[[roles]]");
    table::<ManagedPolicy>(&mut page, "[[roles.managed_policies]]");
    table::<InlinePolicy>(&mut page, "[[roles.inline]]");
    table::<Schedule>(&mut page, "[schedule]");
    table::<Limits>(&mut page, "[limits]");
    table::<Rollout>(&mut page, "[rollout]");
    table::<Freeze>(&mut page, "[[rollout.freeze]]");
    table::<Store>(&mut page, "[store]");
    table::<Http>(&mut page, "[http]");
    table::<WebhookEntry>(&mut page, "[[notify.webhooks]]");
    table::<RegisterEntry>(&mut page, "[register]");
    table::<CloudCoreo>(&mut page, "[register.cloudcoreo]");
    table::<Events>(&mut page, "[events]");
    page
}

fn table<T: Settings>(page: &mut String, heading: &str) {
    page.push_str(&format!("\n## `{heading}`\n\n"));
    for line in T::DOC.lines() {
        page.push_str(line.trim());
        page.push('\n');
    }
    page.push_str("\n| key | allowed | default | what it does |\n|---|---|---|---|\n");
    for key in T::keys() {
        page.push_str(&row(&key));
    }
}

fn row(key: &KeyDoc) -> String {
    let default = match (key.default, key.required) {
        (Some(default), _) => format!("`{default}`"),
        (None, true) => "none: has to be set".to_owned(),
        (None, false) => "not set".to_owned(),
    };
    let doc = key.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{}` | {} | {} | {} |\n",
        key.name,
        cell(&key.allowed),
        cell(&default),
        cell(&doc)
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    #[test]
    fn page_in_docs_is_the_page_of_the_code() {
        expect_file!["../../../../docs/CONFIGURATION.md"].assert_eq(&super::page());
    }
}
