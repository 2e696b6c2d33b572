//! HStore and the extended types of PostgreSQL (rule 73).
