"""Spans and evaluation events: their tree, their names, and that nothing a caller writes is in them."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from guard.errors import ConfigInvalid
from guard.tracing import Served, Tracing, open_tracing
from guard.types import Action, Basis, Cause, Decision, Hit, RuleKind, Verdict

CALLERS_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@dataclass
class Kept:
    tracing: Tracing
    _spans: InMemorySpanExporter
    _events: InMemoryLogRecordExporter

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._spans.get_finished_spans()}

    def events(self) -> list[ReadableLogRecord]:
        return list(self._events.get_finished_logs())


@pytest.fixture
def kept() -> Iterator[Kept]:
    spans, events = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # theirs
    tracer, logger = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    tracer.add_span_processor(SimpleSpanProcessor(spans))
    logger.add_log_record_processor(SimpleLogRecordProcessor(events))
    tracing = Tracing(tracer, logger)
    yield Kept(tracing, spans, events)
    tracing.close()


def served(decision: Decision | None = None, **changes: Any) -> Served:
    facts: dict[str, Any] = {
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "action": "allow",
        "policy": "balanced",
        "mode": "enforce",
        "code": None,
        "decision": decision,
        "added_s": 0.004,
        "upstream": 200,
        "upstream_s": 0.5,
    }
    return Served(**(facts | changes))


def made(**changes: Any) -> Decision:
    facts: dict[str, Any] = {
        "id": "d1",
        "verdict": Verdict.UNSAFE,
        "intended": Action.BLOCK,
        "action": Action.ALLOW,
        "basis": Basis.SCORE,
        "policy": "balanced",
        "bundle": "b" * 64,
        "probability": 0.97,
        "threshold": 0.8,
        "cause": Cause.TOGETHER,
        "rule": Hit(RuleKind.CATEGORY, "crime", 0.9, 0.5, Action.BLOCK),
        "latency_ms": {"score": 3.0},
    }
    return Decision(**(facts | changes))


def test_call_to_the_llm_api_is_a_span_below_that_of_the_request_below_the_callers(kept: Kept) -> None:
    trace = kept.tracing.begin(CALLERS_TRACE)
    headers = trace.outgoing()
    trace.end(served())
    request, call = kept.spans()["POST /v1/chat/completions"], kept.spans()["chat"]
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert call.parent is not None
    assert call.parent.span_id == request.context.span_id
    assert headers["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{call.context.span_id:016x}-01"
    assert (request.kind, call.kind) == (SpanKind.SERVER, SpanKind.CLIENT)


def test_call_has_what_the_conventions_require_of_an_inference(kept: Kept) -> None:
    for route in ("/v1/messages", "/v1/completions", "/openai/deployments/{name}/chat/completions"):
        trace = kept.tracing.begin("")
        trace.outgoing()
        trace.end(served(route=route))
    calls = [span for span in kept._spans.get_finished_spans() if span.kind is SpanKind.CLIENT]
    found = [
        (span.name, span.attributes["gen_ai.operation.name"], span.attributes["gen_ai.provider.name"])
        for span in calls
        if span.attributes
    ]
    assert found == [
        ("chat", "chat", "anthropic"),
        ("text_completion", "text_completion", "openai"),
        ("chat", "chat", "openai"),
    ]


def test_decision_is_an_evaluation_event_of_the_span_that_it_is_about(kept: Kept) -> None:
    trace = kept.tracing.begin("")
    trace.outgoing()
    trace.end(served(made()))
    (event,) = kept.events()
    record = event.log_record
    assert record.event_name == "gen_ai.evaluation.result"
    assert record.span_id == kept.spans()["chat"].context.span_id
    assert record.attributes is not None
    wanted = {
        "gen_ai.evaluation.name": "guard.unsafe",
        "gen_ai.evaluation.score.value": 0.97,
        "gen_ai.evaluation.score.label": "unsafe",
        "gen_ai.evaluation.explanation": "category:crime",
        "guard.intended": "block",
        "guard.action": "allow",
        "guard.cause": "together",
        "guard.decision.id": "d1",
    }
    assert {name: record.attributes[name] for name in wanted} == wanted
    assert record.body is None


def test_refused_request_has_its_event_at_its_own_span_and_no_call(kept: Kept) -> None:
    trace = kept.tracing.begin("")
    trace.end(served(made(action=Action.BLOCK), status=400, action="block", upstream=None, upstream_s=None))
    assert set(kept.spans()) == {"POST /v1/chat/completions"}
    (event,) = kept.events()
    assert event.log_record.span_id == kept.spans()["POST /v1/chat/completions"].context.span_id
    assert kept.spans()["POST /v1/chat/completions"].status.status_code is StatusCode.UNSET


def test_check_that_failed_has_an_error_type_and_no_score(kept: Kept) -> None:
    failed = made(
        verdict=Verdict.UNJUDGED,
        basis=Basis.ERROR_POLICY,
        code="scorer_timeout",
        probability=None,
        threshold=None,
        cause=None,
        rule=None,
    )
    trace = kept.tracing.begin("")
    trace.end(served(failed, status=503, code="scorer_timeout", upstream=None))
    (event,) = kept.events()
    assert event.log_record.attributes is not None
    assert event.log_record.attributes["error.type"] == "scorer_timeout"
    assert "gen_ai.evaluation.score.value" not in event.log_record.attributes
    request = kept.spans()["POST /v1/chat/completions"]
    assert request.status.status_code is StatusCode.ERROR


def test_llm_api_that_fails_is_an_error_of_the_call(kept: Kept) -> None:
    trace = kept.tracing.begin("")
    trace.outgoing()
    trace.end(served(status=502, code="upstream_timeout", upstream="upstream_timeout", upstream_s=None))
    call = kept.spans()["chat"]
    assert call.attributes is not None
    assert call.attributes["error.type"] == "upstream_timeout"
    assert call.status.status_code is StatusCode.ERROR


def test_what_the_caller_does_not_have_sampled_is_not_sent(kept: Kept) -> None:
    trace = kept.tracing.begin(NOT_SAMPLED)
    headers = trace.outgoing()
    trace.end(served(made()))
    assert (kept.spans(), kept.events()) == ({}, [])
    assert headers["traceparent"].endswith("-00")


def test_method_and_trace_header_of_a_caller_are_no_values(kept: Kept) -> None:
    trace = kept.tracing.begin("my secret")
    trace.end(served(method="SECRET"))
    (span,) = kept._spans.get_finished_spans()
    assert span.parent is None
    assert span.name == "_OTHER /v1/chat/completions"
    assert "SECRET" not in span.to_json().upper().replace("_OTHER", "")


def test_tracing_without_the_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigInvalid, match=r"mllm-guard\[otel\]"):
        open_tracing({})
