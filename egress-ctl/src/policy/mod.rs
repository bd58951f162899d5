//! Config and catalogue, compiled.
//!
//! In: a [`Config`](crate::config::Config), the gateway's addresses, and the ids given so far. Out: a
//! [`Generation`](generation::Generation), in which every prefix and every pattern carries the union
//! of all rules that cover it. Pure: values in, values out.

pub mod compile;
pub mod flat;
pub mod generation;
pub mod ids;
pub mod meet;
pub mod membership;
pub mod names;
mod nested;
pub mod steer;
pub mod tables;
