//! What a policy document means.
