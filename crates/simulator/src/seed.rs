//! Everything that looks like chance comes from here.
//!
//! A draw is a hash of the seed and of what the draw is about, not the next
//! number of a stream: so what happens to one account does not depend on the
//! order in which the others were asked.

/// Mixes `words` into `seed` (the finalizer of splitmix64, word by word).
pub(crate) fn mix(seed: u64, words: &[u64]) -> u64 {
    words.iter().fold(scramble(seed), |hash, word| {
        scramble(hash ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    })
}

fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A text as a word for [`mix`] (FNV-1a).
pub(crate) fn word(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A hash as a number in [0, 1).
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits are exactly what a double holds"
)]
pub(crate) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// A hash as an index below `len`; 0 when there is nothing to choose from.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is below a usize"
)]
pub(crate) fn below(hash: u64, len: usize) -> usize {
    if len == 0 {
        0
    } else {
        (hash % len as u64) as usize
    }
}

/// Which `count` of `candidates` are chosen: the ones with the lowest hashes,
/// so that a share is met exactly and the choice is spread evenly.
pub(crate) fn choose(seed: u64, salt: &str, candidates: &[u32], count: usize) -> Vec<u32> {
    let salt = word(salt);
    let mut ranked: Vec<(u64, u32)> = candidates
        .iter()
        .map(|&index| (mix(seed, &[salt, u64::from(index)]), index))
        .collect();
    ranked.sort_unstable();
    ranked.truncate(count);
    ranked.into_iter().map(|(_, index)| index).collect()
}

/// How many of `total` a share stands for, to the nearest whole.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of at most 50,000 accounts, clamped to 0..=1"
)]
pub(crate) fn part_of(total: usize, share: f64) -> usize {
    (total as f64 * share.clamp(0.0, 1.0)).round() as usize
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE36: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A unique id as IAM makes them: a prefix and upper-case base 32.
pub(crate) fn unique_id(prefix: &str, len: usize, hash: u64) -> String {
    spell(prefix, len, hash, BASE32)
}

/// An id as Organizations makes them: lower-case letters and digits.
pub(crate) fn lower_id(prefix: &str, len: usize, hash: u64) -> String {
    spell(prefix, len, hash, BASE36)
}

fn spell(prefix: &str, len: usize, hash: u64, alphabet: &[u8]) -> String {
    let mut id = String::with_capacity(prefix.len() + len);
    id.push_str(prefix);
    let mut state = hash;
    for position in 0..len {
        let digit = below(mix(state, &[position as u64]), alphabet.len());
        id.push(alphabet.get(digit).copied().map_or('A', char::from));
        state = state.rotate_left(7);
    }
    id
}

/// A request id: a version 4 UUID in form.
pub(crate) fn request_id(seed: u64, ordinal: u64) -> String {
    let (a, b) = (mix(seed, &[1, ordinal]), mix(seed, &[2, ordinal]));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}
