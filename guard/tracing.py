"""Traces and evaluation events by OpenTelemetry, behind the extra `otel`; content-free.

One server span a request, one client span for the call to the LLM API, and one event `gen_ai.evaluation.result` for the
decision, named as the GenAI semantic conventions (status: development) name them. What a caller writes is in none of
them: no prompts and answers, no name of a model, no `tracestate`, no users. All values come from closed sets, or are
numbers, or ids and digests of Guard's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guard.errors import ConfigInvalid
from guard.types import Basis, Decision

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import LoggerProvider as Events
    from opentelemetry.sdk.trace import TracerProvider as Spans
    from opentelemetry.trace import Span, Tracer, TracerProvider

SCOPE = "guard"
EVALUATION = "guard.unsafe"  # what is evaluated: how probable it is that a pair is unsafe
HOW_TO_INSTALL = "pip install 'mllm-guard[otel]'"

# By the end of a route's pattern, as OpenAI's and Anthropic's APIs have them.
_OPERATIONS = {
    "/chat/completions": ("chat", "openai"),
    "/responses": ("chat", "openai"),
    "/completions": ("text_completion", "openai"),
    "/messages": ("chat", "anthropic"),
}
_OTHER_OPERATION = ("other", "openai")
# A method is a caller's word too.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER_METHOD = "_OTHER"
_LOWEST_FAILURE = 500


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a request. `route` is a pattern of Guard's own table; `upstream` a status or a stable code."""

    method: str
    route: str
    status: int | None
    action: str
    policy: str
    mode: str
    code: str | None
    decision: Decision | None
    added_s: float | None
    upstream: int | str | None
    upstream_s: float | None


class Tracing:
    """Begins traces. Providers are passed in; `close` sends what is left, and takes up to some seconds."""

    def __init__(self, spans: "TracerProvider", events: "LoggerProvider") -> None:
        self._providers = (spans, events)
        self._tracer: Tracer = spans.get_tracer(SCOPE)
        self._logger: Logger = events.get_logger(SCOPE)

    def begin(self, traceparent: str) -> "Trace":
        """Return the trace of a request, below the caller's span if its header names one."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())
        # Named at its end, when the route is known.
        return Trace(self._tracer, self._logger, self._tracer.start_span("guard", above, kind=SpanKind.SERVER))

    def close(self) -> None:
        """Send what is left and end."""
        for provider in self._providers:
            shutdown = getattr(provider, "shutdown", None)  # the API's own providers have none
            if shutdown is not None:
                shutdown()


class Trace:
    """The spans of one request."""

    def __init__(self, tracer: "Tracer", logger: "Logger", span: "Span") -> None:
        self._tracer = tracer
        self._logger = logger
        self._span = span
        self._call: Span | None = None

    def outgoing(self) -> Mapping[str, str]:
        """Return the headers of the call to the LLM API, which begins now; its own spans come below it."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if self._call is None:
            self._call = self._tracer.start_span("chat", self._within(self._span), kind=SpanKind.CLIENT)
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, self._within(self._call))
        return headers

    def end(self, served: Served) -> None:
        """End the spans, and tell of the decision."""
        if self._call is not None:
            self._end_call(self._call, served)
        if served.decision is not None:
            self._tell(served.decision)
        if self._span.is_recording():
            self._span.update_name(f"{_method(served)} {served.route}")
            self._span.set_attributes(_attributes_of_request(served))
            if served.status is None or served.status >= _LOWEST_FAILURE:
                _fail(self._span, served.code or str(served.status))
        self._span.end()

    def _end_call(self, call: "Span", served: Served) -> None:
        if call.is_recording():
            operation, provider = _operation_of(served.route)
            call.update_name(operation)
            call.set_attributes({"gen_ai.operation.name": operation, "gen_ai.provider.name": provider})
            if isinstance(served.upstream, int):
                call.set_attribute("http.response.status_code", served.upstream)
            if served.upstream_s is not None:
                call.set_attribute("guard.upstream.head_seconds", served.upstream_s)
            if not isinstance(served.upstream, int) or served.upstream >= _LOWEST_FAILURE:
                _fail(call, str(served.upstream))
        call.end()

    def _tell(self, decision: Decision) -> None:
        evaluated = self._span if self._call is None else self._call
        if not evaluated.get_span_context().trace_flags.sampled:
            return
        self._logger.emit(
            event_name="gen_ai.evaluation.result",
            context=self._within(evaluated),
            attributes=attributes_of_evaluation(decision),
        )

    def _within(self, span: "Span") -> "Context":
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(span, Context())


def attributes_of_evaluation(decision: Decision) -> dict[str, str | bool | int | float]:
    """Return what the event about a decision says; the score is calibrated, and absent where nothing was scored."""
    found: dict[str, Any] = {
        "gen_ai.evaluation.name": EVALUATION,
        "gen_ai.evaluation.score.value": decision.probability,
        "gen_ai.evaluation.score.label": decision.verdict.value,
        "gen_ai.evaluation.explanation": f"{decision.rule.kind.value}:{decision.rule.name}" if decision.rule else None,
        "error.type": decision.code if decision.basis is Basis.ERROR_POLICY else None,
        "guard.decision.id": decision.id,
        "guard.direction": decision.direction.value,
        "guard.intended": decision.intended.value,
        "guard.action": decision.action.value,
        "guard.basis": decision.basis.value,
        "guard.cause": decision.cause.value if decision.cause else None,
        "guard.threshold": decision.threshold,
        "guard.policy": decision.policy,
        "guard.bundle": decision.bundle,
        "guard.cached": decision.cached,
        "guard.images": len(decision.images),
        "guard.images_unjudged": sum(not image.judged for image in decision.images),
    }
    return {name: value for name, value in found.items() if value is not None}


def open_tracing(environment: Mapping[str, str]) -> Tracing:
    """Return what sends traces and events by OTLP over HTTP, to where OpenTelemetry's own variables say.

    Raises:
        ConfigInvalid: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigInvalid(f"tracing: true needs OpenTelemetry: {HOW_TO_INSTALL}") from error
    is_named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if is_named else {"service.name": "guard"})
    spans: Spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    events: Events = LoggerProvider(resource=resource, shutdown_on_exit=False)
    events.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return Tracing(spans, events)


def _attributes_of_request(served: Served) -> dict[str, str | bool | int | float]:
    decision = served.decision
    found: dict[str, Any] = {
        "http.request.method": _method(served),
        "http.route": served.route,
        "http.response.status_code": served.status,
        "error.type": served.code,
        "guard.action": served.action,
        "guard.policy": served.policy,
        "guard.mode": served.mode,
        "guard.added_seconds": served.added_s,
        "guard.decision.id": None if decision is None else decision.id,
    }
    if decision is not None:
        found |= {f"guard.stage.{stage}_seconds": ms / 1000 for stage, ms in decision.latency_ms.items()}
    return {name: value for name, value in found.items() if value is not None}


def _method(served: Served) -> str:
    return served.method if served.method in _METHODS else _OTHER_METHOD


def _operation_of(route: str) -> tuple[str, str]:
    return next((known for end, known in _OPERATIONS.items() if route.endswith(end)), _OTHER_OPERATION)


def _fail(span: "Span", code: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))
