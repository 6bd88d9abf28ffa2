"""Decisions, labels, allow entries, canaries, kept content."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "guard_decisions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("route", sa.String(80), nullable=False),
        sa.Column("tenant", sa.String(40), nullable=False),
        sa.Column("policy", sa.String(40), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("intended", sa.String(8), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("basis", sa.String(16), nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("cause", sa.String(10)),
        sa.Column("rule", sa.Text),
        sa.Column("code", sa.String(40)),
        sa.Column("scores", sa.LargeBinary),
        sa.Column("probability", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("log_odds_bin", sa.SmallInteger),
        sa.Column("images", sa.Text),
        sa.Column("content_digest", sa.LargeBinary),
        sa.Column("also_blocked", sa.LargeBinary),
        sa.Column("subject", sa.String(64)),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("latency", sa.Text),
        sa.Column("sampling_probability", sa.Double, nullable=False),
        sa.Column("is_sampled", sa.Boolean, nullable=False),
        sa.Column("stratum", sa.String(40), nullable=False),
        sa.Column("plan", sa.String(16), nullable=False),
        sa.Column("review", sa.String(8)),
    )
    counted = ["at", "policy", "direction", "intended", "verdict", "stratum", "log_odds_bin"]
    op.create_index("guard_decisions_counts", "guard_decisions", counted)
    for name, column, condition in (
        ("guard_decisions_sampled", "at", "is_sampled"),
        ("guard_decisions_open", "at", "is_sampled AND review IS NULL"),
        ("guard_decisions_subject", "subject", "subject IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "guard_decisions", [column], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "guard_labels",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("decision_id", sa.String(32), nullable=False, index=True),
        sa.Column("label", sa.String(8), nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("withdrawn_at", sa.Double),
    )
    op.create_table(
        "guard_allowances",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("content_digest", sa.LargeBinary, nullable=False),
        sa.Column("policy", sa.String(40), nullable=False),
        sa.Column("until", sa.Double, nullable=False, index=True),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("because_of", sa.String(32), nullable=False, index=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.Column("revoked_by", sa.String(100)),
    )
    op.create_table(
        "guard_canaries",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(40), nullable=False),
        sa.Column("suite", sa.String(80), nullable=False),
        sa.Column("n_safe", sa.Integer, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
        sa.Column("n_unsafe", sa.Integer, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
    )
    op.create_table(
        "guard_contents",
        sa.Column("decision_id", sa.String(32), primary_key=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
