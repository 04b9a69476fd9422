//! Effects between the outside and the core: reading feeds, walking providers, keeping what was bad.
//!
//! - [`intake`] reads documents from files, folders, archives, uploads and standard input, in bounded memory;
//! - [`provider`] brings the documents of a CSAF provider into a folder, verified, and only what changed;
//! - [`quarantine`] keeps the bytes of bad documents so that a later version can try them again;
//! - [`facts`] gives the built-in facts and what was read as feeds for matching;
//! - [`data`] is the layout of the data folder and the one way to write a file into it.
//!
//! One bad document never stops the others, and never counts in part.
//!
//! ```
//! use underpin_engine::intake::{Options, Source, read};
//! use underpin_engine::progress::Silent;
//!
//! let options = Options::new("2025-01-01T00:00:00Z".parse()?);
//! let intake = read(&[Source::from("no/such/folder")], &options, &Silent);
//! assert!(intake.nothing_read());
//! assert_eq!(intake.unreadable[0].file, "no/such/folder");
//! # Ok::<(), jiff::Error>(())
//! ```

pub mod data;
pub mod facts;
pub mod intake;
pub mod output;
pub mod progress;
pub mod provider;
pub mod quarantine;
