//! Whether metrics are served, and where.

use std::net::SocketAddr;

use super::{
    listen::{self, Kind},
    problem::Problems,
    raw::RawMetrics,
};

const KIND: Kind = Kind {
    key: "metrics.listen",
    // Where Prometheus looks for programs of this kind that nobody has registered.
    port: 9598,
    why: "metrics are served on loopback, without a password",
};

/// Where metrics are served; nowhere where the config does not say so.
pub(super) fn listen(raw: &RawMetrics, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    listen::listen(raw.listen.as_ref(), KIND, problems)
}
