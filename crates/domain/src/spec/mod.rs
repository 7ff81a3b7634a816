//! What is wanted, as it is configured: with placeholders, before it is one account's.

mod filler;
mod guard;
mod presets;
mod substitute;
mod template;

pub use guard::{Danger, Surroundings, dangers, reserved_name};
pub use presets::{PRESETS, Preset, preset};
pub use substitute::{PLACEHOLDERS, UnknownPlaceholder, placeholders};
pub use template::{
    Binding, BoundTemplate, BoundaryTemplate, ExternalId, ManagedPolicyTemplate, SpecTemplate,
    TemplateError,
};
