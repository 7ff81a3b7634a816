//! Every bound of the domain, named, with its reason.

/// The longest trust policy that IAM takes by default, in characters without
/// white space. The quota can be raised to 4,096 in an account; a specification
/// for many accounts cannot count on that.
pub const TRUST_POLICY_CHARACTERS: usize = 2_048;

/// The longest trust policy that IAM takes once the quota has been raised as far as it goes.
pub const TRUST_POLICY_CHARACTERS_RAISED: usize = 4_096;

/// The longest managed policy, in characters without white space.
pub const MANAGED_POLICY_CHARACTERS: usize = 6_144;

/// The longest all inline policies of one role may be together.
pub const INLINE_POLICIES_CHARACTERS: usize = 10_240;

/// How many managed policies can be attached to a role by default.
pub const ATTACHMENTS_PER_ROLE: usize = 10;

/// How many can be attached once the quota has been raised as far as it goes.
pub const ATTACHMENTS_PER_ROLE_RAISED: usize = 20;

/// How many versions of a managed policy IAM keeps.
pub const VERSIONS_PER_POLICY: usize = 5;

/// How many tags IAM takes on a role or policy; one of them is the owner tag.
pub const TAGS_PER_RESOURCE: usize = 50;

/// The longest tag key.
pub const TAG_KEY_CHARACTERS: usize = 128;

/// The longest tag value.
pub const TAG_VALUE_CHARACTERS: usize = 256;

/// The longest description of a role.
pub const DESCRIPTION_CHARACTERS: usize = 1_000;

/// The shortest session that IAM lets a role be set to, in seconds.
pub const SHORTEST_MAX_SESSION: u32 = 3_600;

/// The longest session that IAM lets a role be set to, in seconds.
pub const LONGEST_MAX_SESSION: u32 = 43_200;

/// The shortest external id.
pub const EXTERNAL_ID_SHORTEST: usize = 2;

/// The longest external id.
pub const EXTERNAL_ID_LONGEST: usize = 1_224;

/// How many steps a plan for one role may have. The largest sensible plan
/// (20 attachments, 10 policies with all versions taken, ten inline policies)
/// stays below it; more than this is a mistake of ours or a hostile account,
/// and is left to a person.
pub const STEPS_PER_PLAN: usize = 128;

/// How often the same thing may be repaired without staying right before it is
/// left alone. Three times is a pattern: once is a person's slip, twice can be the
/// same deployment run again.
pub const REPAIRS_BEFORE_FLAPPING: u32 = 3;

/// The share of the last listing that a new one must have. Companies close
/// accounts by the dozen, not by half between two sweeps; a listing that lost
/// half is a broken listing until somebody says otherwise.
pub const CENSUS_SMALLEST_SHARE: f64 = 0.5;

/// How many accounts a listing may lose without being suspected, whatever the
/// share: in an organization of four, two closed accounts are no alarm.
pub const CENSUS_LOSS_NEVER_SUSPECT: u64 = 2;
