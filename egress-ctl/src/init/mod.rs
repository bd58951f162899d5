//! A first config, from what the machine looks like.
//!
//! In: [`surroundings`], which the kernel and a few files tell. Out: a [`draft`], which a person may change,
//! and its text.

pub mod draft;
pub mod surroundings;
