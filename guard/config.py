"""Guard's configuration: frozen pydantic models, read once from one YAML file, overridden by the command line.

Defaults are safe and every limit is finite. An unknown key is an error.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AnyHttpUrl, BaseModel, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from guard.errors import ConfigInvalid
from guard.types import Action, Mode

Probability = Annotated[float, Field(ge=0, le=1)]


class ImageSettings(BaseModel, frozen=True, extra="forbid"):
    """Limits on one picture, checked before it is decoded."""

    max_bytes: PositiveInt = 20_000_000
    max_pixels: PositiveInt = 25_000_000
    max_frames: PositiveInt = 8
    max_per_request: PositiveInt = 32


class FetchSettings(BaseModel, frozen=True, extra="forbid"):
    """How pictures behind URLs are fetched. Addresses that are not public are refused, at every redirect."""

    enabled: bool = True
    timeout_s: PositiveFloat = 5.0
    max_redirects: Annotated[int, Field(ge=0, le=10)] = 3
    ports: tuple[PositiveInt, ...] = (80, 443)
    allow_networks: tuple[str, ...] = Field(
        default=(), description="networks in CIDR form that may be fetched from although they are not public"
    )


class OcrSettings(BaseModel, frozen=True, extra="forbid"):
    """When writing in pictures is read."""

    mode: Literal["auto", "always", "off"] = Field(
        default="auto", description="auto: only where the vision tower sees writing; off: never, and nothing is said"
    )
    gate: Probability | None = Field(
        default=None, description="likelihood of writing from which OCR runs in mode auto; none takes the bundle's"
    )
    max_chars: PositiveInt = 4000


class PolicySettings(BaseModel, frozen=True, extra="forbid"):
    """What is blocked. The caller of the API cannot change it."""

    name: str = Field(default="balanced", description="operating point of the bundle: strict, balanced, permissive")
    threshold: Probability | None = Field(
        default=None, description="own threshold on the probability; replaces the operating point and is not certified"
    )
    unsafe_action: Action = Action.BLOCK
    on_error: Literal[Action.BLOCK, Action.ALLOW] = Field(
        default=Action.BLOCK, description="when Guard itself fails: block (fail-closed) or allow (fail-open)"
    )
    on_unjudged: Literal[Action.BLOCK, Action.ALLOW] = Field(
        default=Action.BLOCK, description="when a part of the content cannot be judged"
    )
    judge_system: bool = Field(default=True, description="judge system and developer messages too")


class UpstreamSettings(BaseModel, frozen=True, extra="forbid"):
    """The LLM API behind Guard."""

    url: AnyHttpUrl | None = Field(default=None, description="base URL, with or without /v1")
    connect_timeout_s: PositiveFloat = 5.0
    first_byte_timeout_s: PositiveFloat = Field(
        default=120.0, description="until the head of the answer, and the longest silence within it"
    )
    total_timeout_s: PositiveFloat = 600.0
    max_connections: PositiveInt = 256


class LimitSettings(BaseModel, frozen=True, extra="forbid"):
    """What Guard takes on before it says no."""

    max_body_bytes: PositiveInt = 50_000_000
    max_buffered_bytes: PositiveInt = Field(
        default=500_000_000, description="bodies of all requests together, while they are judged and sent on"
    )
    max_head_bytes: PositiveInt = Field(default=65_536, description="request line and headers of one request")
    head_timeout_s: PositiveFloat = Field(default=10.0, description="from the first byte of a head to its last")
    body_timeout_s: PositiveFloat = 30.0
    max_inflight: PositiveInt = 64
    admission_timeout_s: PositiveFloat = 2.0
    score_timeout_s: PositiveFloat = 10.0
    drain_timeout_s: PositiveFloat = 30.0

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


class CacheSettings(BaseModel, frozen=True, extra="forbid"):
    """How many results are remembered, each by digest of everything it depended on."""

    verdicts: Annotated[int, Field(ge=0)] = 20_000
    pictures: Annotated[int, Field(ge=0)] = 2_000


class Settings(BaseModel, frozen=True, extra="forbid"):
    """Everything that `guard serve` can be told."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    mode: Mode = Mode.ENFORCE
    bundle: str = Field(default="embedded", description='a bundle directory, or "embedded"')
    threads: Annotated[int, Field(ge=0)] = Field(default=0, description="scoring threads; 0 takes one per core")
    provider: Literal["cpu", "cuda"] = Field(default="cpu", description="cuda that cannot load stops the start")
    unknown_routes: Literal["deny", "forward"] = "deny"
    access_log: bool = Field(default=True, description="one JSON line per request on stderr, without any content")
    refusal: Literal["error", "message"] = Field(
        default="error", description="an unsafe prompt is answered with HTTP 400, or with a refusal as a message"
    )
    upstream: UpstreamSettings = UpstreamSettings()
    policy: PolicySettings = PolicySettings()
    images: ImageSettings = ImageSettings()
    fetch: FetchSettings = FetchSettings()
    ocr: OcrSettings = OcrSettings()
    limits: LimitSettings = LimitSettings()
    cache: CacheSettings = CacheSettings()


def read_settings(path: Path) -> Settings:
    """Return the settings in a YAML file.

    Raises:
        ConfigInvalid: the file cannot be read, is not YAML, or does not fit the model; the message names the key.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    return parse_settings({} if document is None else document, source=str(path))


def parse_settings(document: object, *, source: str) -> Settings:
    """Return the settings in a parsed document; `source` is named in the message. Raises ConfigInvalid."""
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "top level"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigInvalid(f"{source}: {place}: {first['msg']}{more}") from error
