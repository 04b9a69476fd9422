//! Effects between the outside and the core: reading feeds, walking providers.
