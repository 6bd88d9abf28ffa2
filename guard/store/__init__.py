"""What Guard remembers of its decisions, in SQLite or PostgreSQL. README.md says what, where, and for how long."""
