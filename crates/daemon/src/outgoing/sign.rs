//! The signature of a body.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header that carries the signature.
pub(crate) const SIGNATURE: &str = "x-rolekeeper-signature";

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 over `SECONDS.BODY`.
///
/// The time is part of what is signed, so a receiver can refuse an old request
/// that somebody recorded and sends again.
pub(crate) fn signature(secret: &SecretString, at: Timestamp, body: &[u8]) -> String {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length, so this cannot fail"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    let seconds = at.as_second();
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_any_hmac_tool_computes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let at = Timestamp::constant(1_700_000_000, 0);
        let signed = signature(&SecretString::from("key"), at, br#"{"a":1}"#);
        assert_eq!(
            signed,
            "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }

    #[test]
    fn another_body_or_time_has_another_signature() {
        let key = SecretString::from("key");
        let at = Timestamp::constant(1_700_000_000, 0);
        let later = Timestamp::constant(1_700_000_001, 0);
        assert_ne!(signature(&key, at, b"a"), signature(&key, at, b"b"));
        let digest = |signed: String| signed.split_once(",v1=").map(|(_, hex)| hex.to_owned());
        assert_ne!(
            digest(signature(&key, at, b"a")),
            digest(signature(&key, later, b"a"))
        );
    }
}
