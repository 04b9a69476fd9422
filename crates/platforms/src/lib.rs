//! Inventories: the local host and files of other tools become a fleet.
