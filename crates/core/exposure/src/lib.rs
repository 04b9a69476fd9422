//! Who stands on what: matching of facts against a fleet, patch classes, ripple through the stack, and cadence.
//!
//! ```
//! use underpin_exposure::{FactBase, Options, assess};
//! use underpin_model::fleet::{Fleet, Seen};
//!
//! let at: jiff::Timestamp = "2026-11-21T00:00:00Z".parse()?;
//! let fleet = Fleet::new("empty", Seen { at, by: "hand".to_owned() });
//! let assessment = assess(&fleet, &FactBase::new(Vec::new()), &Options::at(at));
//! assert_eq!(assessment.summary.assets, 0);
//! # Ok::<(), jiff::Error>(())
//! ```
//!
//! The steps, one module each: `subject` turns assets into items (a component with everything that decides its status),
//! `verdict` judges an item by one claim, `resolve` joins the claims of all feeds, `finding` adds what must hold besides
//! a version, `draft` finds the groups of equal assets, and `assess` lays the findings out per group.

mod assess;
pub mod cadence;
pub mod classify;
mod conditions;
mod context;
pub mod decision;
mod draft;
mod esxi;
mod factbase;
mod finding;
mod guest;
mod item;
mod needed;
mod nowhere;
pub mod reach;
mod reason;
mod repeated;
pub mod report;
mod resolve;
pub mod ripple;
mod row;
pub mod running;
mod subject;
mod unseen;
mod verdict;
mod view;
mod worst;

pub use assess::{Options, STALE_AFTER_DAYS, assess};
pub use factbase::{AdvisoryHead, FactBase, Feed, FeedHead};
pub use report::{Assessment, Status};
pub use row::{Exposure, ExposureRow, Priority, SORT_KEY, Used, urgency};
pub use subject::OF_PROCESSOR;
pub use unseen::{Missing, Unseen};
pub use worst::at_worst;
