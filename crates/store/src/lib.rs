//! What Underpin remembers: one Store on an embedded SQLite.
