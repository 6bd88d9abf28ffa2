"""Guard's configuration: frozen pydantic models, read once from one YAML file, overridden by the command line.

Defaults are safe and every limit is finite. An unknown key is an error.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, ValidationError, model_validator

from guard.access_settings import MOST_TENANTS, AdminSettings, TenantName, TenantSettings, TlsSettings
from guard.errors import ConfigInvalid
from guard.judge_settings import JudgeSettings as JudgeSettings
from guard.monitor_settings import MonitorSettings as MonitorSettings
from guard.output_settings import BoolOrSection
from guard.output_settings import OutputSettings as OutputSettings
from guard.picture_settings import FetchSettings as FetchSettings
from guard.picture_settings import ImageSettings as ImageSettings
from guard.picture_settings import OcrSettings as OcrSettings
from guard.policy_settings import (
    MOST_POLICIES,
    NameOrSection,
    OwnPolicy,
    PolicyName,
    Section,
    each_resolves,
)
from guard.policy_settings import PolicySettings as PolicySettings
from guard.store_settings import ReviewSettings as ReviewSettings
from guard.store_settings import StoreSettings as StoreSettings
from guard.strict_yaml import parse_yaml as parse_yaml
from guard.strict_yaml import read_yaml as read_yaml
from guard.types import Mode
from guard.upstream_settings import Seconds
from guard.upstream_settings import UpstreamSettings as UpstreamSettings
from guard.wrong_values import first_wrong


class LimitSettings(Section):
    """What Guard takes on before it says no."""

    max_body_bytes: PositiveInt = 50_000_000
    """of one request, also after inflating"""
    max_buffered_bytes: PositiveInt = 500_000_000
    """bodies of all requests together, inflated and with fetched pictures, while they are judged and sent on, and of
    answers while they are judged. More are refused in every mode; an answer more is unjudged"""
    max_head_bytes: PositiveInt = 65_536
    """request line and headers of one request"""
    max_connections: PositiveInt = 4096
    """of clients; more are answered 503 and closed. Each request that is sent on takes one file more than these"""
    head_timeout_s: Seconds = 10.0
    """from the first byte of a head to its last"""
    body_timeout_s: Seconds = 30.0
    """from the first byte of a body to its last"""
    max_inflight: PositiveInt = 64
    """requests, and looks at answers, judged at once; others wait for a permit"""
    admission_timeout_s: Seconds = 2.0
    """how long a request waits for a permit before it is refused; an answer that is judged waits until it has one"""
    score_timeout_s: Seconds = 10.0
    """for each of decoding, reading and scoring a pair"""
    drain_delay_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """how long a Guard that was told to stop takes new requests while /readyz says 503: until load balancers know"""
    drain_timeout_s: Seconds = 30.0
    """how long a stopping Guard finishes what is in flight"""

    @model_validator(mode="after")
    def _admission_is_shorter_than_scoring(self) -> Self:
        if self.admission_timeout_s > self.score_timeout_s:
            raise ValueError(
                f"limits.admission_timeout_s ({self.admission_timeout_s}) must not exceed "
                f"limits.score_timeout_s ({self.score_timeout_s})"
            )
        return self

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        if self.max_body_bytes > self.max_buffered_bytes:
            raise ValueError(
                f"limits.max_body_bytes ({self.max_body_bytes}) must not exceed "
                f"limits.max_buffered_bytes ({self.max_buffered_bytes})"
            )
        return self


class CacheSettings(Section):
    """How many results are remembered, each by digest of everything it depended on."""

    verdicts: Annotated[int, Field(ge=0)] = 20_000
    """assessments of pairs"""
    pictures: Annotated[int, Field(ge=0)] = 2_000
    """what pictures show, and the writing found in them"""


class GpuSettings(Section):
    """Which GPU scores, and how; unused with the provider cpu."""

    device: Annotated[int, Field(ge=0, le=255)] = 0
    """number of the GPU"""
    max_bytes: PositiveInt | None = None
    """of its memory: for CUDA's arena, or for TensorRT's workspace; none leaves it to them"""
    cuda: Mapping[str, str] = {}
    """further options of ONNX Runtime's CUDA provider, by its names"""
    tensorrt: Mapping[str, str] = {}
    """further options of ONNX Runtime's TensorRT provider, by its names (trt_engine_cache_enable)"""


class Settings(Section):
    """Everything that `guard serve` can be told."""

    host: str = "127.0.0.1"
    """address to listen on"""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """port to listen on; 0 takes a free one"""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """processes that serve on the same port; limits hold for each of them, figures and swaps for all together"""
    mode: Mode = Mode.ENFORCE
    """enforce: decisions are carried out; shadow: they are made and counted, and all passes; off: nothing is judged"""
    bundle: str = "embedded"
    '''a bundle directory, or "embedded"'''
    bundle_keys: tuple[str, ...] = ()
    """public keys, ed25519:BASE64 or files with one; where there is any, a bundle that none of them signed stops the
    start, in every mode"""
    require_gate: Literal["none", "not_failed", "passed"] = "not_failed"
    """which bundles may enforce: none asks nothing; not_failed takes those whose release gate passed or was never run;
    passed takes those whose gate passed by a record that one of bundle_keys signed. Others are for mode shadow alone"""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """scoring threads of each worker; 0 takes one per core, shared among the workers"""
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    """where the graphs run; cuda or tensorrt that cannot load stops the start"""
    unknown_routes: Literal["deny", "forward"] = "deny"
    """paths that Guard does not know, in mode enforce, which never forwards prompts that it does not judge (a POST to
    /v1/images/generations); the other modes forward and count them all"""
    access_log: bool = True
    """one JSON line per request on stderr, without any content"""
    refusal: Literal["error", "message"] = "error"
    """an unsafe prompt is answered with HTTP 400, or with a refusal as a message"""
    judge_output: Annotated[OutputSettings, BoolOrSection] = OutputSettings()
    judge: JudgeSettings = JudgeSettings()
    overlap: bool = False
    """the LLM API is called while Guard judges the prompt, and nothing of its answer is shown before the verdict. A
    block cancels the call, but by then the provider has seen what was blocked. Never for requests with server-side
    tools, background or store"""
    tracing: bool = False
    """traces and evaluation events by OpenTelemetry, free of content, sent by OTLP to where its own variables say, such
    as OTEL_EXPORTER_OTLP_ENDPOINT; wants the extra `otel`, and a restart to change"""
    upstream: UpstreamSettings = UpstreamSettings()
    policy: Annotated[PolicySettings, NameOrSection] = PolicySettings()
    policies: Annotated[
        Mapping[PolicyName, OwnPolicy], Field(max_length=MOST_POLICIES), AfterValidator(each_resolves)
    ] = {}
    """policies of your own, by name"""
    tenants: Annotated[Mapping[TenantName, TenantSettings], Field(max_length=MOST_TENANTS)] = {}
    """who is judged by a policy and under limits of their own, by name"""
    unknown_tenants: Literal["default", "refuse"] = "default"
    """requests that show no key of any tenant: judged by the default policy, or refused with 401"""
    admin: AdminSettings = AdminSettings()
    store: StoreSettings = StoreSettings()
    review: ReviewSettings = ReviewSettings()
    monitor: MonitorSettings = MonitorSettings()
    tls: TlsSettings = TlsSettings()
    images: ImageSettings = ImageSettings()
    fetch: FetchSettings = FetchSettings()
    ocr: OcrSettings = OcrSettings()
    limits: LimitSettings = LimitSettings()
    cache: CacheSettings = CacheSettings()
    gpu: GpuSettings = GpuSettings()

    @model_validator(mode="after")
    def _passed_can_be_checked(self) -> Self:
        if self.require_gate == "passed" and not self.bundle_keys:
            raise ValueError("require_gate: passed needs bundle_keys: only a record that one of them signed counts")
        return self

    @model_validator(mode="after")
    def _passed_covers_all(self) -> Self:
        if self.require_gate == "passed" and self.judge.is_set:
            raise ValueError("require_gate: passed excludes a judge: no gate measures what it decides")
        return self

    @model_validator(mode="after")
    def _answers_are_judged_first(self) -> Self:
        if self.judge.answers and not self.judge_output.enabled:
            raise ValueError("judge.answers needs judge_output: no answer is judged without")
        return self

    @model_validator(mode="after")
    def _somebody_is_served(self) -> Self:
        if self.unknown_tenants == "refuse" and not self.tenants:
            raise ValueError("unknown_tenants: refuse needs tenants: nobody would be served")
        return self

    @model_validator(mode="after")
    def _what_is_sent_on_is_kept_first(self) -> Self:
        if self.overlap and self.store.audit == "required":
            raise ValueError(
                "overlap: true sends a request on before its decision, and store.audit: required keeps that first"
            )
        return self

    @model_validator(mode="after")
    def _each_upstream_key_is_for_one(self) -> Self:
        for name, tenant in self.tenants.items():
            for upstream in tenant.keys_by_upstream:
                why = self.upstream.why_no_key(upstream)
                if why is not None:
                    place = "upstream_key" if upstream is None else f"upstream_keys.{upstream}"
                    raise ValueError(f"tenants.{name}.{place}: {why}")
        return self

    @model_validator(mode="after")
    def _own_policy_says_all(self) -> Self:
        name = self.policy.name
        if name in self.policies and self.policy.says_more:
            raise ValueError(f"policy: {name} has all its settings under policies.{name}: leave out the other keys")
        return self


def read_settings(path: Path) -> Settings:
    """Return the settings in a YAML file.

    Raises:
        ConfigInvalid: the file cannot be read, is not YAML, or does not fit the model; the message names the key.
    """
    document = read_yaml(path)
    return parse_settings({} if document is None else document, source=str(path))


def parse_settings(document: object, *, source: str) -> Settings:
    """Return the settings in a parsed document; `source` is named in the message. Raises ConfigInvalid."""
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise ConfigInvalid(f"{source}: {first_wrong(error, Settings)}") from error
