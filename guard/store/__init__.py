"""What Guard remembers of its decisions: SQLAlchemy Core over SQLite or PostgreSQL. README.md says what and how long."""
