//! Statistics of a roll-out that stay valid while someone watches.
//!
//! ```
//! use underpin_gate::sequential::multinomial_anytime_bf;
//! use underpin_model::quantity::Probability;
//!
//! // Half of the host-hours are canaries. 5 failures on canaries against 20 elsewhere, or the other way round: look at any
//! // moment, the chance of ever reaching a factor of 20 without a difference is at most 1 in 20.
//! let half = Probability::new(0.5)?;
//! let evidence = multinomial_anytime_bf(&[5, 20], &[half, half], &[1.0, 1.0])?;
//! assert!(evidence.value() > 20.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cusum;
pub mod exact;
pub mod multiplicity;
pub mod rank;
pub mod sequential;
