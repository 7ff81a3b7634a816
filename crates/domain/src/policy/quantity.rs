//! Numbers, dates and address ranges, as conditions compare them.

use std::net::IpAddr;

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) v6: bool,
    pub(super) first: u128,
    pub(super) last: u128,
}

impl Network {
    /// Reads an address or a range in CIDR notation.
    pub(super) fn read(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let (v6, bits, address) = match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(a) => (false, 32, u128::from(u32::from(a))),
            IpAddr::V6(a) => (true, 128, u128::from(a)),
        };
        let free = bits
            - length
                .filter(|l| *l <= bits)
                .or(if length.is_none() { Some(bits) } else { None })?;
        let mask = 1u128.checked_shl(free).map_or(u128::MAX, |m| m - 1);
        Some(Network {
            v6,
            first: address & !mask,
            last: address | mask,
        })
    }

    /// Whether all of `other` lies in it.
    pub(super) fn holds(&self, other: &Network) -> bool {
        self.v6 == other.v6 && self.first <= other.first && other.last <= self.last
    }
}

/// A decimal number in billionths; digits beyond the ninth are dropped.
pub(super) fn number(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !plain(whole) || !plain(part) || whole.len() > 24 {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(9).collect();
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let value = whole * 1_000_000_000 + part.parse::<i128>().ok()?;
    Some(if negative { -value } else { value })
}

/// A date in billionths of a second since 1970: ISO 8601 in its W3C profile,
/// or seconds since the epoch.
pub(super) fn date(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Some(seconds) = number(text)
        && text.len() > 4
    {
        return Some(seconds);
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_nanosecond());
    }
    let whole_day = match text.len() {
        4 => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ => return None,
    };
    whole_day
        .parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_nanosecond)
}
