//! What IAM takes as a name, a path, a tag, a page.

use std::fmt::Display;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::state::Tags;
use crate::xml::Xml;

/// The most tags of a role, user or policy.
const TAGS: usize = 50;

/// `Value '…' at '…' failed to satisfy constraint: …`.
pub(crate) fn violates(field: &str, value: &str, constraint: &str) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    ))
}

/// A name of at most `max` letters, digits and `+=,.@_-`.
pub(crate) fn name<'a>(ask: &Ask<'a>, param: &str, max: usize) -> Result<&'a str, ApiError> {
    let value = ask.need(param)?;
    let field = lower_first(param);
    if value.chars().count() > max {
        let constraint = format!("Member must have length less than or equal to {max}");
        return Err(violates(&field, value, &constraint));
    }
    if !value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
    {
        return Err(ApiError::validation(format!(
            "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
        )));
    }
    Ok(value)
}

fn lower_first(param: &str) -> String {
    let mut field = param.to_owned();
    if let Some(first) = field.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    field
}

/// A path; `/` when none is given.
pub(crate) fn path<'a>(ask: &Ask<'a>) -> Result<&'a str, ApiError> {
    let path = ask.get("Path").unwrap_or("/");
    let printable = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if !path.starts_with('/') || !path.ends_with('/') || !printable || path.contains("//") {
        return Err(ApiError::validation(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ));
    }
    if path.len() > 512 {
        return Err(violates(
            "path",
            path,
            "Member must have length less than or equal to 512",
        ));
    }
    Ok(path)
}

/// A description: at most 1,000 characters of text.
pub(crate) fn description<'a>(ask: &Ask<'a>) -> Result<Option<&'a str>, ApiError> {
    let description = ask.get("Description");
    if description.is_some_and(|text| text.chars().count() > 1_000) {
        let constraint = "Member must have length less than or equal to 1000";
        return Err(violates(
            "description",
            description.unwrap_or_default(),
            constraint,
        ));
    }
    let strange =
        |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    if description.is_some_and(|text| text.chars().any(strange)) {
        let constraint = r"Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*";
        return Err(violates(
            "description",
            description.unwrap_or_default(),
            constraint,
        ));
    }
    Ok(description)
}

/// The tags in a call, checked.
pub(crate) fn tags<'a>(ask: &Ask<'a>) -> Result<Vec<(&'a str, &'a str)>, ApiError> {
    let tags = ask.params().pairs("Tags", "Key", "Value");
    for (place, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > 128 {
            let field = format!("tags.{}.member.key", place + 1);
            return Err(violates(
                &field,
                key,
                "Member must have length less than or equal to 128",
            ));
        }
        if value.chars().count() > 256 {
            let field = format!("tags.{}.member.value", place + 1);
            return Err(violates(
                &field,
                value,
                "Member must have length less than or equal to 256",
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation(
                "Tag keys cannot start with the prefix aws:",
            ));
        }
        let again = |(other, _): &(&str, &str)| other.eq_ignore_ascii_case(key);
        if tags.iter().take(place).any(again) {
            return Err(ApiError::input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    Ok(tags)
}

/// Refuses more tags than IAM keeps.
pub(crate) fn tag_quota(tags: &Tags, what: &str) -> Result<(), ApiError> {
    if tags.len() > TAGS {
        return Err(ApiError::quota(format!(
            "Cannot exceed quota for TagsPer{what}: {TAGS}"
        )));
    }
    Ok(())
}

pub(crate) fn write_tags(xml: &mut Xml, tags: &Tags) {
    xml.list("Tags", tags, |xml, (key, value)| {
        xml.leaf("Key", key);
        xml.leaf("Value", value);
    });
}

/// The longest session of a role, in seconds.
pub(crate) fn session_length(ask: &Ask<'_>) -> Result<Option<u32>, ApiError> {
    let Some(text) = ask.get("MaxSessionDuration") else {
        return Ok(None);
    };
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (3_600..=43_200).contains(seconds));
    let wrong = || {
        violates(
            "maxSessionDuration",
            text,
            "Member must have value between 3600 and 43200",
        )
    };
    seconds.ok_or_else(wrong).map(Some)
}

/// One page of a list, and the marker of the next.
pub(crate) struct Page<'a, T> {
    pub(crate) items: &'a [T],
    next: Option<usize>,
}

/// Cuts out the page that `Marker` and `MaxItems` ask for.
pub(crate) fn page<'a, T>(ask: &Ask<'_>, all: &'a [T]) -> Result<Page<'a, T>, ApiError> {
    let start = match ask.get("Marker") {
        None => 0,
        Some(marker) => decode(marker).ok_or_else(|| ApiError::validation("Invalid Marker."))?,
    };
    let size = ask
        .get("MaxItems")
        .map_or(Some(100), |text| text.parse().ok());
    let size: usize = size
        .filter(|size| (1..=1_000).contains(size))
        .ok_or_else(|| {
            violates(
                "maxItems",
                ask.get("MaxItems").unwrap_or_default(),
                "Member must have value between 1 and 1000",
            )
        })?;
    let start = start.min(all.len());
    let end = (start + size).min(all.len());
    Ok(Page {
        items: all.get(start..end).unwrap_or_default(),
        next: (end < all.len()).then_some(end),
    })
}

impl<T> Page<'_, T> {
    /// `IsTruncated`, and `Marker` when there is more.
    pub(crate) fn write_end(&self, xml: &mut Xml) {
        xml.plain("IsTruncated", self.next.is_some());
        if let Some(next) = self.next {
            xml.leaf("Marker", &encode(next));
        }
    }
}

fn encode(offset: usize) -> String {
    format!("ANb{:08x}EAAA=", offset ^ 0x5a5a_5a5a)
}

fn decode(marker: &str) -> Option<usize> {
    let digits = marker.strip_prefix("ANb")?.strip_suffix("EAAA=")?;
    usize::from_str_radix(digits, 16)
        .ok()
        .map(|offset| offset ^ 0x5a5a_5a5a)
}

/// `2026-11-24T06:00:00Z`.
pub(crate) fn date(seconds: i64) -> impl Display {
    jiff::Timestamp::from_second(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{date, decode, encode};

    #[test]
    fn markers_lead_back_and_dates_are_in_seconds() {
        assert_eq!(decode(&encode(4_711)), Some(4_711));
        assert_eq!(decode("100"), None);
        assert_eq!(date(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
    }
}
