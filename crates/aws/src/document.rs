//! Policy documents as IAM sends them: percent-encoded, decoded once, here.

use percent_encoding::percent_decode_str;
use rolekeeper_domain::observation::ObservedDocument;
use rolekeeper_domain::policy::{Document, Kind};

/// Decodes and parses what IAM sent.
pub(crate) fn observe(kind: Kind, sent: &str) -> ObservedDocument {
    let malformed = |text: &str, why: String| ObservedDocument::Malformed {
        text: text.to_owned(),
        why,
    };
    // RFC 3986: `+` is itself. An encoded document never begins with a brace, so one that
    // does was sent plain, and its percent signs are its own.
    let text = if sent.trim_start().starts_with('{') {
        sent.into()
    } else {
        match percent_decode_str(sent).decode_utf8() {
            Ok(text) => text,
            Err(error) => return malformed(sent, error.to_string()),
        }
    };
    match Document::parse(kind, &text) {
        Ok(document) => ObservedDocument::Valid(document),
        Err(error) => malformed(&text, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::a+b/100%25"}]}"#;

    #[track_caller]
    fn check(sent: &str, text: &str) {
        let observed = observe(Kind::Identity, sent);
        assert_eq!(observed.text(), text);
        assert!(observed.document().is_some(), "{observed:?}");
    }

    #[test]
    fn an_encoded_document_is_decoded_once() {
        let encoded =
            percent_encoding::utf8_percent_encode(PLAIN, percent_encoding::NON_ALPHANUMERIC);
        check(&encoded.to_string(), PLAIN);
    }

    #[test]
    fn a_plain_document_is_not_decoded_at_all() {
        check(PLAIN, PLAIN);
    }

    #[test]
    fn a_plus_is_not_a_space() {
        let encoded = PLAIN
            .replace('%', "%25")
            .replace('{', "%7B")
            .replace('"', "%22");
        check(&encoded, PLAIN);
    }

    #[test]
    fn what_does_not_parse_is_kept_as_text() {
        let observed = observe(Kind::Trust, "%7B%22Version%22%3A%201%7D");
        assert_eq!(observed.text(), r#"{"Version": 1}"#);
        assert!(observed.document().is_none());
        assert!(observe(Kind::Trust, "%ff%fe").document().is_none());
        assert!(observe(Kind::Trust, "").document().is_none());
    }
}
