//! What is wanted, as it is configured: with placeholders, before it is one account's.

mod filler;
mod guard;
mod pins;
mod presets;
mod progress;
mod rotation;
mod substitute;
mod template;

pub use guard::{Danger, Surroundings, dangers, reserved_name};
pub use presets::{PRESETS, Preset, preset};
pub use progress::{Progress, RotationStep};
pub use rotation::{NextExternalId, Rotation, RotationGoal, Sight, Standing};
pub use substitute::{PLACEHOLDERS, UnknownPlaceholder, placeholders};
pub use template::{
    Binding, BoundTemplate, BoundaryTemplate, ExternalId, ManagedPolicyTemplate, SpecTemplate,
    TemplateError,
};
