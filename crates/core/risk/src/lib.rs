//! What an open hole and a bad patch cost, with numbers.
//!
//! ```
//! use underpin_model::quantity::{Days, Probability};
//! use underpin_risk::hazard::probability_within;
//!
//! // An EPSS score of 0.9 is 0.0739 a day, not 0.03.
//! let day = probability_within(Probability::new(0.9)?, Days::new(1.0)?);
//! assert!((day.get() - 0.07388).abs() < 1e-5);
//! # Ok::<(), underpin_model::quantity::InvalidQuantity>(())
//! ```

pub mod backtest;
pub mod binomial;
pub mod blast;
pub mod bounds;
pub mod build;
pub mod calibration;
pub mod clear;
pub mod clocks;
pub mod common_cause;
pub mod compound;
mod crossing;
pub mod deferral;
pub mod evidence;
pub mod freshness;
pub mod groups;
pub mod hazard;
mod levels;
mod managed;
pub mod marginal;
pub mod names;
pub mod normal;
pub mod per_host;
pub mod poisson_binomial;
pub mod portfolio;
pub mod quadrature;
pub mod report;
mod scope;
pub mod span;
pub mod standing;
pub mod tail;
pub mod timing;
pub mod wait;
pub mod ways;
pub mod weighted;
pub mod withdrawals;
