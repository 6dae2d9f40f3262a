"""The embedded store: state in SQLite, message octets in append-only segments beside it. Only importer of apsw."""
