//! CVSS scores computed from their vectors.
