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
pub mod clocks;
pub mod groups;
pub mod hazard;
pub mod portfolio;
