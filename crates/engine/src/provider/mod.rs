//! A client for CSAF providers.
/// Sub-folder of a pulled feed that holds what is known of the provider; hidden, so that it is not read as a feed.
pub const STATE_FOLDER: &str = ".underpin-pull";
/// File in it with what was fetched.
pub const STATE_FILE: &str = "state.jsonl";
