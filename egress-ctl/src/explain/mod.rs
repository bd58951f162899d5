//! Why a packet passes or does not, told in words.

pub mod cover;
pub mod nearest;
pub mod words;
