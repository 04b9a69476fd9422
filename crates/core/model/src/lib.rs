//! The values that everything else in Underpin speaks of.
//!
//! Five families of plain data, and the laws on them:
//!
//! - [`version`]: how each platform orders its own versions, exactly as the platform's tools do;
//! - [`facts`]: what a feed states (claims about products, facts about vulnerabilities, releases), whatever its format was;
//! - [`fleet`]: what was observed of the stack: hosts, guests, images, tenants and how they depend on each other;
//! - [`policy`]: what is intended: losses, parameters, controls, promises, limits of plans; its numbers are of the types of [`quantity`];
//! - [`plan`]: what is to be done, step by step, with its report, and the [`change`]s that it carries out.
//!
//! ```
//! use std::cmp::Ordering;
//! use underpin_model::version::{Comparison, Scheme, compare};
//!
//! // A Debian backport sorts before the release that it was made from.
//! let order = compare(Scheme::Dpkg, "10.0.2+ds-2~bpo12+1", "10.0.2+ds-2")?;
//! assert_eq!(order, Comparison::Ordered(Ordering::Less));
//! # Ok::<(), underpin_model::version::InvalidVersion>(())
//! ```
//!
//! Nothing here reads a file, a clock, the environment or a source of entropy: `clippy.toml` one folder up forbids it.

pub mod change;
pub mod cvss;
pub mod facts;
pub mod fleet;
pub mod id;
pub mod plan;
pub mod policy;
pub mod purl;
pub mod quantity;
pub mod ssvc;
pub mod text;
pub mod version;
pub mod words;
