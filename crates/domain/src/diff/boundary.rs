//! What the role can never do, whatever is attached.

use super::{Findings, Words};
use crate::drift::{DriftKind, Severity};
use crate::observation::ObservedRole;
use crate::role::{Boundary, RoleSpec};

pub(super) fn compare(spec: &RoleSpec, role: &ObservedRole, findings: &mut Findings<'_>) {
    let (severity, explanation) = match (&spec.boundary, &role.boundary) {
        (Boundary::Unmanaged, _) | (Boundary::None, None) => return,
        (Boundary::Policy(wanted), Some(found)) if wanted == found => return,
        (Boundary::None, Some(found)) => (
            Severity::Medium,
            format!("the permissions boundary {found} limits the role, and none was agreed"),
        ),
        (Boundary::Policy(wanted), None) => (
            Severity::Critical,
            format!(
                "the permissions boundary {wanted} is gone: nothing limits what the role's policies give"
            ),
        ),
        (Boundary::Policy(wanted), Some(found)) => (
            Severity::Critical,
            format!(
                "the permissions boundary is {found}, not {wanted}: it may let through more than agreed"
            ),
        ),
    };
    let mut words = Words::new(explanation);
    if let Some(found) = &role.boundary {
        words = words.before(found.as_str());
    }
    if let Boundary::Policy(wanted) = &spec.boundary {
        words = words.after(wanted.as_str());
    }
    findings.add(DriftKind::RolePermissionsBoundary, severity, words);
}
