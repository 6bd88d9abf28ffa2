"""One JSON line per request: ids, codes and timings, never content, never keys, never a path that the caller wrote."""

import logging
import time
from datetime import UTC, datetime

import orjson

from guard.server.exchange import Exchange

logger = logging.getLogger("guard.access")


def log_exchange(exchange: Exchange, *, mode: str, tenant: str) -> None:
    """Write the line of a finished exchange."""
    if not logger.isEnabledFor(logging.INFO):
        return
    decision = exchange.decision
    line: dict[str, object] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": exchange.id,
        "route": exchange.route,
        "tenant": tenant,
        "mode": mode,
        "status": exchange.status,
        "action": exchange.action,
        "code": exchange.code,
        "body_bytes": exchange.body_bytes,
        "added_ms": _ms(exchange.added_s),
        "upstream": exchange.upstream,
        "upstream_ms": _ms(exchange.upstream_s),
        "total_ms": _ms(time.perf_counter() - exchange.began),
    }
    if decision is not None:
        line |= {
            "verdict": decision.verdict.value,
            "intended": decision.intended.value,
            "basis": decision.basis.value,
            "cause": decision.cause.value if decision.cause else None,
            "rule": f"{decision.rule.kind.value}:{decision.rule.name}" if decision.rule else None,
            "probability": decision.probability,
            "threshold": decision.threshold,
            "cached": decision.cached,
            "policy": decision.policy,
            "bundle": decision.bundle[:12],
            "images": len(decision.images),
            "images_unjudged": sum(not image.judged for image in decision.images),
            "stages_ms": {stage: round(value, 2) for stage, value in decision.latency_ms.items()},
        }
    written = orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    # `logger.info` looks for its caller first, which takes longer than the rest.
    logger.handle(logging.LogRecord(logger.name, logging.INFO, "", 0, written, None, None))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
