"""Guard as a target: in this process, and over HTTP."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Self

import aiohttp
import orjson

from benchmark.bounded import read_bounded
from benchmark.judgement import UNREACHABLE, Judgement, TargetInfo
from guard import Decision, Guard, Pair, Settings, open_guard
from guard.errors import UsageError
from guard.suites import data_url
from guard.types import Verdict

BUNDLE_CHANGED = "bundle_changed"  # the running Guard was given another bundle during the run

_FAULTS = frozenset({"scorer_failed", "scorer_timeout", "overloaded", "guard_unavailable", "internal_error"})
_WORD = re.compile(r"[a-z0-9_]{1,64}")
_PROBE = Pair("Hello")
_PATIENCE_S = 120.0


class GuardTarget:
    """Guard in this process. No verdict is cached, so every pair is judged; pictures seen before are not read twice."""

    concurrency = 2

    def __init__(self, guard: Guard, info: TargetInfo) -> None:
        self.info = info
        self._guard = guard

    @classmethod
    async def open(cls, spec: str, policy: str | None) -> Self:
        """Return the target, "embedded" or "bundle:DIR", once its scorer answers."""
        kind, _, folder = spec.partition(":")
        settings: dict[str, object] = {
            "bundle": folder or "embedded",
            "cache": {"verdicts": 0},
            # Whoever wants to know why a bundle was turned down has to measure it.
            "require_gate": "none",
            # A busy machine must not turn pairs into errors: latency is reported, not enforced.
            "limits": {"score_timeout_s": _PATIENCE_S},
        }
        if policy is not None:
            settings["policy"] = {"name": policy}
        guard = open_guard(Settings.model_validate(settings))
        try:
            probe = guard.decide(await guard.assess(_PROBE), direction=_PROBE.direction)
        except BaseException:
            await guard.aclose()
            raise
        if probe.verdict is Verdict.UNJUDGED:
            await guard.aclose()
            raise UsageError(f"target {spec}: the scorer does not answer ({probe.code})")
        return cls(guard, TargetInfo(spec, kind, probe.bundle, probe.policy, probe.threshold, _reader()))

    async def judge(self, pair: Pair) -> Judgement:
        """Return what Guard's policy makes of the pair's scores."""
        assessment = await self._guard.assess(pair)
        return _from_decision(self._guard.decide(assessment, direction=pair.direction), failed=assessment.failed)

    async def close(self) -> None:
        """Close the guard."""
        await self._guard.aclose()


class HttpTarget:
    """A running Guard, asked over `POST /guard/classify`; its own policy decides."""

    concurrency = 8

    def __init__(self, session: aiohttp.ClientSession, origin: str, info: TargetInfo) -> None:
        self.info = info
        self._session = session
        self._url = f"{origin}/guard/classify"

    @classmethod
    async def open(cls, url: str) -> Self:
        """Return the target once it has answered a first question."""
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE_S))
        origin = url.rstrip("/").removesuffix("/v1")
        try:
            verdict = await _classify(session, f"{origin}/guard/classify", _PROBE)
        except BaseException:
            await session.close()
            raise
        if isinstance(verdict, str):
            await session.close()
            raise UsageError(f"target {url}: no Guard answers there ({verdict})")
        bundle, policy, threshold = (verdict.get(key) for key in ("bundle", "policy", "threshold"))
        info = TargetInfo(
            f"http:{origin}",
            "http",
            bundle if isinstance(bundle, str) else None,
            policy if isinstance(policy, str) else None,
            _number(threshold),
        )
        return cls(session, origin, info)

    async def judge(self, pair: Pair) -> Judgement:
        """Return the verdict that came back; any other answer is a failure of the target."""
        verdict = await _classify(self._session, self._url, pair)
        if isinstance(verdict, str):
            return Judgement(None, code=verdict, failed=True)
        if verdict.get("bundle") != self.info.bundle:
            return Judgement(None, code=BUNDLE_CHANGED, failed=True)
        return _from_wire(verdict)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _reader() -> str:
    """Return what reads the writing in pictures here. Without it they are unjudged, so figures depend on it."""
    try:
        return f"rapidocr {version('rapidocr')}"
    except PackageNotFoundError:
        return "none"


def _from_decision(decision: Decision, *, failed: bool) -> Judgement:
    if decision.verdict is Verdict.UNJUDGED:
        return Judgement(None, decision.probability, decision.code, failed)
    cause = decision.cause.value if decision.cause else None
    return Judgement(decision.verdict is Verdict.UNSAFE, decision.probability, decision.code, cause=cause)


def _from_wire(verdict: Mapping[str, object]) -> Judgement:
    probability, cause = _share(verdict.get("probability")), verdict.get("cause")
    word = _word(verdict.get("code"))
    if verdict.get("verdict") not in {Verdict.SAFE, Verdict.UNSAFE}:
        return Judgement(None, probability, word or "unjudged", failed=word in _FAULTS)
    return Judgement(verdict["verdict"] == Verdict.UNSAFE, probability, word, cause=_word(cause))


async def _classify(session: aiohttp.ClientSession, url: str, pair: Pair) -> Mapping[str, object] | str:
    """Return the verdict object, or a stable code of why there is none."""
    images = [data_url(image.data) for image in pair.images if image.data is not None]
    body = orjson.dumps({"text": pair.text, "images": images})
    try:
        headers = {"content-type": "application/json"}
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            raw = await read_bounded(answer)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return UNREACHABLE
    try:
        document = None if raw is None else orjson.loads(raw)
    except orjson.JSONDecodeError:
        document = None
    if answer.status == 200 and isinstance(document, dict) and "verdict" in document:
        return document
    return f"http_{answer.status}"


def _word(value: object) -> str | None:
    """Return a stable code; None for what is none: it comes from over there, and stands in reports."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _share(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
