//! What an administrator moves by hand: the emergency lever that lets everything pass, and trials of a
//! config that are over unless somebody confirms them.
//!
//! Both stand on disk and in the kernel, which acts and ends them by itself: no daemon needs to run.

pub mod bypass;
pub mod deadline;
mod note;
pub mod trial;
