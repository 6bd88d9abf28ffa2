"""How long an API asks to be left alone: `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3). Pure."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_of(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds until then, at least 0; None where nothing is asked that can be read."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        zoned = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        seconds = (zoned - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
