//! What network drivers tell of themselves.

pub(crate) mod ethtool;
pub(crate) mod netdev;
