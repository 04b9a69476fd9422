//! Patch or wait: per group of hosts and release, because updates are cumulative and are not taken hole by hole.
//!
//! - [`curve`]: the loss of waiting `t` days, term by term, and the best time, on plain numbers: a `course`.
//!   A curve at many times at once, for the variants of a decision, is a `table`.
//! - [`situation`]: a release, its holes and what stands on the hosts; from them and the parameters come the inputs.
//! - [`prior`], [`evidence`], [`withdrawals`](crate::withdrawals): how likely the release is bad for this hardware.
//! - [`values`]: parameters with ranges. [`decision`]: bands, tornado, flip points, value of information.
//! - [`rings`], [`promises`]: what earlier rings show before later ones patch; deadlines and what breaking them costs.
//! - [`mod@groups`]: all of it for a fleet; from its facts to situations: `scene`; with what is said beside it: [`Answer`]. [`sentence`]: the recommendation in one sentence.

#[cfg(test)]
mod agreement;
mod answer;
pub(crate) mod called;
mod course;
pub mod curve;
pub mod decision;
mod drains;
mod draws;
pub(crate) mod due;
pub mod evidence;
pub mod groups;
pub mod information;
mod installed;
pub(crate) mod known_bad;
mod lumps;
pub mod prior;
pub mod promises;
mod replaced;
pub mod rings;
pub(crate) mod running;
mod scene;
pub mod sensitivity;
pub mod sentence;
pub mod situation;
mod strata;
mod table;
mod target;
pub mod unmatched;
mod unseen;
#[cfg(test)]
mod unshared;
pub mod values;

pub use answer::{About, Answer, Named};
pub use decision::{Band, Decision, Verdict};
pub use evidence::Evidence;
pub use groups::{GroupDecision, Request, groups};
pub use running::contradictions;
