//! The Microsoft 365 web service, rebuilt to test against.
//!
//! In goes a folder of editions (or some that were made up); out come the answers of `/version`,
//! `/endpoints` and `/changes`, over HTTP or TLS, as they should be or with a fault on demand.
//!
//! ```text
//! folder ─> Archive ─> Edition ─> Selection ─┐
//!                         └─> Change records ─┴─> Fault ─> Answer ─> axum
//! ```

pub mod answer;
pub mod apply;
pub mod archive;
pub mod attribute;
pub mod change;
pub mod control;
pub mod derive;
pub mod edition;
pub mod fault;
pub mod followed;
pub mod format;
pub mod limit;
pub mod made_up;
pub mod query;
pub mod random;
pub mod server;
pub mod service;
pub mod spoil;
pub mod tls;
pub mod version;
