//! The Microsoft 365 web service's data: editions of the list, and the change records between them.
//!
//! A folder of editions in, or some that were made up; change records out, which replayed on the
//! older edition give the newer one.

pub mod apply;
pub mod archive;
pub mod attribute;
pub mod change;
pub mod derive;
pub mod edition;
pub mod made_up;
pub mod random;
pub mod version;
