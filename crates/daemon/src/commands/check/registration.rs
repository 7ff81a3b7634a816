//! Whether accounts are registered with the vendor, and what became of it.

use rolekeeper_domain::registration::State;
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_store::Store;

use super::lines::Lines;
use crate::config::Config;
use crate::failure::Failure;
use crate::report::accounts;

/// How the vendor is told. Nothing is sent: a call that registers is no test.
pub(super) fn settings(config: &Config, lines: &Lines<'_>) -> Result<(), Failure> {
    let Some(register) = &config.register else {
        return Ok(());
    };
    let known_by = match (&register.secret, &register.token) {
        (Some(_), Some(_)) => "signed, with a token",
        (Some(_), None) => "signed",
        (None, Some(_)) => "with a token",
        (None, None) => "unsigned and without a token",
    };
    let then = |there: bool, words: &'static str| there.then_some(words);
    let further: Vec<&str> = [
        then(
            register.revalidate.is_some(),
            "looked at again after repairs",
        ),
        then(register.withdraw.is_some(), "withdrawn when they leave"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let words = format!(
        "accounts in which {} is right are registered with the vendor, {known_by}{}{}",
        register.role,
        if further.is_empty() {
            ""
        } else {
            "; they are "
        },
        further.join(" and ")
    );
    if register.secret.is_none() && register.token.is_none() {
        let remedy = "register.secret_file or register.token_file, as the vendor wants it";
        return lines.warning("registration", &words, remedy);
    }
    lines.ok("registration", &words)
}

/// What the store says about registrations that did not come about.
pub(super) async fn outcomes(
    config: &Config,
    store: &Store,
    lines: &Lines<'_>,
) -> Result<(), Failure> {
    let Some(register) = &config.register else {
        return Ok(());
    };
    if store.refused_settings().await? == Some(register.fingerprint()) {
        return lines.warning(
            "registration",
            "the vendor let nobody in (401 or 403); with these settings it is not asked again",
            "another token or secret in [register], then SIGHUP or a restart",
        );
    }
    let counts = store.registration_counts().await?;
    match counts.get(&State::GivenUp) {
        Some(given_up) => lines.warning(
            "registration",
            &format!("{} could not be registered", accounts(*given_up)),
            "`rolekeeper history ACCOUNT` says why; each is tried again a day later",
        ),
        None => Ok(()),
    }
}
