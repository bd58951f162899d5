//! Why a packet passes or does not.
//!
//! In: a question, and the policy with what was learned beside it. Out: what decided, what came near, and
//! what to change. The judge is the kernel's own; nothing here decides anything.

pub mod answer;
pub mod asking;
mod change;
pub mod cover;
pub mod frame;
pub mod gone;
pub mod ground;
mod member;
mod near;
pub mod nearest;
pub mod query;
pub mod question;
pub mod taught;
pub mod words;

use crate::schema::Kind;

/// What of it is printed.
pub(crate) const KINDS: &[Kind] = &[answer::KIND];

#[cfg(test)]
mod tests;
