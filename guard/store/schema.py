"""The tables of the store, all with the prefix `guard_`: a PostgreSQL database may be shared with others.

`guard/store/migrations/` makes them; a test holds both to each other.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

# An INTEGER key is SQLite's own row number; PostgreSQL's should not end at two thousand million.
_Serial = BigInteger().with_variant(Integer, "sqlite")

decisions = Table(
    "guard_decisions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", Double, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("route", String(80), nullable=False),
    Column("tenant", String(40), nullable=False),
    Column("policy", String(40), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("intended", String(8), nullable=False),
    Column("action", String(8), nullable=False),
    Column("basis", String(16), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("cause", String(10)),
    Column("rule", Text),
    Column("code", String(40)),
    Column("scores", LargeBinary),
    Column("probability", Double),
    Column("threshold", Double),
    Column("log_odds_bin", SmallInteger),
    Column("images", Text),
    Column("content_digest", LargeBinary),
    Column("also_blocked", LargeBinary),
    Column("subject", String(64)),
    Column("cached", Boolean, nullable=False),
    Column("latency", Text),
    Column("sampling_probability", Double, nullable=False),
    Column("is_sampled", Boolean, nullable=False),
    Column("stratum", String(40), nullable=False),
    Column("plan", String(16), nullable=False),
    # What the reviewers agree on, kept here so that estimates and the queue read one table.
    Column("review", String(8)),
    # What is counted over time is in this index, the bundle apart: SQLite need not read the rows.
    Index(
        "guard_decisions_counts",
        *("at", "policy", "direction", "intended", "verdict", "stratum", "log_odds_bin"),
    ),
    Index(
        "guard_decisions_sampled",
        "at",
        sqlite_where=text("is_sampled"),
        postgresql_where=text("is_sampled"),
    ),
    Index(
        "guard_decisions_open",
        "at",
        sqlite_where=text("is_sampled AND review IS NULL"),
        postgresql_where=text("is_sampled AND review IS NULL"),
    ),
    Index(
        "guard_decisions_subject",
        "subject",
        sqlite_where=text("subject IS NOT NULL"),
        postgresql_where=text("subject IS NOT NULL"),
    ),
)

labels = Table(
    "guard_labels",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("decision_id", String(32), nullable=False, index=True),
    Column("label", String(8), nullable=False),
    Column("author", String(100), nullable=False),
    Column("source", String(8), nullable=False),
    Column("at", Double, nullable=False, index=True),
    Column("note", Text, nullable=False),
    Column("withdrawn_at", Double),
)

allowances = Table(
    "guard_allowances",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("content_digest", LargeBinary, nullable=False),
    Column("policy", String(40), nullable=False),
    Column("until", Double, nullable=False, index=True),
    Column("by", String(100), nullable=False),
    Column("because_of", String(32), nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("revoked_by", String(100)),
)

canaries = Table(
    "guard_canaries",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False, index=True),
    Column("bundle", String(64), nullable=False),
    Column("policy", String(40), nullable=False),
    Column("suite", String(80), nullable=False),
    Column("n_safe", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("n_unsafe", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
)

contents = Table(
    "guard_contents",
    metadata,
    Column("decision_id", String(32), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("key_id", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
