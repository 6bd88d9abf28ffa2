"""The LLM APIs behind Guard, as they stand in the configuration. Frozen pydantic models; keys are never in them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AnyHttpUrl, Field, PositiveInt, StringConstraints, model_validator

from guard.policy_settings import Section

MOST_UPSTREAMS = 32
# What the upstream is called that stands in `upstream` itself.
DEFAULT = "default"


def _is_bare(url: AnyHttpUrl) -> AnyHttpUrl:
    # The value stays out of the message: it may hold a password.
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must not hold credentials, a query or a fragment")
    return url


def _is_plain_http(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.scheme != "http":
        raise ValueError("must begin with http: the request's own TLS runs through it, end to end")
    return url


Seconds = Annotated[float, Field(gt=0, le=86_400)]
BareUrl = Annotated[AnyHttpUrl, AfterValidator(_is_bare)]
ProxyUrl = Annotated[BareUrl, AfterValidator(_is_plain_http)]
UpstreamName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
# A name as callers write it in `model`; a star at its end stands for any rest.
ModelPattern = Annotated[str, StringConstraints(pattern=r"^(?:[^*]{1,256}|[^*]{0,255}\*)$")]
# LiteLLM's name of a model behind its provider; a star at its end stands for what the pattern's star stood for.
ProviderModel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}/(?:[^*]{1,256}|[^*]{0,255}\*)$")]
Option = str | bool | int | float
# Where a secret is. What does not fit stays out of the message: it may be the secret itself.
ELSEWHERE = r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+"
SecretReference = Annotated[str, Field(pattern=rf"^(?:{ELSEWHERE})$")]


class TlsSettings(Section):
    """Whom Guard trusts at the other end of a TLS connection, and as whom it shows itself there."""

    ca_file: Path | None = None
    """PEM file of the authorities to trust, in place of the system's"""
    certificate_file: Path | None = None
    """PEM file of the certificate that Guard shows, with its chain"""
    key_file: Path | None = None
    """PEM file of its private key, not encrypted; none: the key stands in certificate_file"""

    @model_validator(mode="after")
    def _key_has_a_certificate(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs certificate_file: a key alone shows nothing")
        return self


class OneUpstream(Section):
    """One LLM API, spoken to as it is, or through litellm."""

    url: BareUrl | None = None
    """base URL, with or without /v1; no credentials, query or fragment; with litellm: its api_base"""
    litellm: Mapping[ModelPattern, ProviderModel] = {}
    """model as callers name it -> provider/model in litellm's words; chat completions are then translated both ways"""
    litellm_options: Mapping[str, Option] = {}
    """what else litellm is told for these models, by its own names (api_version, aws_region_name)"""
    litellm_environment: bool = False
    """true: litellm takes its credentials from the environment (AWS, Google), and no key of the caller's"""
    key: SecretReference | None = None
    """API key that is sent in place of the caller's: env:NAME or file:PATH; none sends the caller's own"""
    key_env: VariableName | None = None
    """the same key by the name of its environment variable, without env:"""
    key_header: Literal["authorization", "x-api-key", "api-key"] | None = None
    """header of that key; none: x-api-key for Anthropic's paths, api-key for Azure's paths, else authorization"""
    tls: TlsSettings = TlsSettings()
    proxy: ProxyUrl | None = None
    """HTTP proxy on the way; those of the environment are never taken"""
    proxy_login: SecretReference | None = None
    """USER:PASSWORD for the proxy: env:NAME or file:PATH"""
    proxy_login_env: VariableName | None = None
    """the same by the name of its environment variable, without env:"""
    connect_timeout_s: Seconds = 5.0
    """until there is a connection, retries included"""
    connect_retries: Annotated[int, Field(ge=0, le=10)] = 1
    """how often a connection that failed is tried anew; a POST that may have been sent is never sent twice"""
    first_byte_timeout_s: Seconds = 120.0
    """until the head of the answer; also the longest silence within it, and the longest halt of a body on its way"""
    total_timeout_s: Seconds = 600.0
    """until the last byte of the answer"""
    idle_timeout_s: Seconds = 4.0
    """how long an idle connection is kept; below the upstream's own limit, or requests meet closed connections"""
    max_connections: PositiveInt = 256
    """open at once"""

    @property
    def has_key(self) -> bool:
        """Whether a key of Guard's own is sent."""
        return self.key is not None or self.key_env is not None

    @property
    def paid(self) -> tuple[str, ...]:
        """Who would be sent a key that is sent here: providers in litellm's words, none where `url` says it."""
        return (
            () if self.url is not None else tuple(sorted({model.partition("/")[0] for model in self.litellm.values()}))
        )

    @model_validator(mode="after")
    def _stars_meet(self) -> Self:
        for pattern, model in self.litellm.items():
            if model.endswith("*") and not pattern.endswith("*"):
                raise ValueError(f"litellm: {pattern!r} has no star, so that of {model!r} stands for nothing")
        return self

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.litellm and (self.tls != TlsSettings() or self.proxy or self.key_header):
            raise ValueError("tls, proxy and key_header are not for litellm, which reads SSL_CERT_FILE and HTTPS_PROXY")
        if (self.litellm_options or self.litellm_environment) and not self.litellm:
            raise ValueError("litellm_options and litellm_environment need litellm")
        if self.litellm_environment and self.has_key:
            raise ValueError("litellm_environment or a key: which of them pays?")
        if self.has_key and len(self.paid) > 1:
            raise ValueError(f"there is one key, for {' and '.join(self.paid)}: make each of them one of `others`")
        if self.key_header is not None and not self.has_key:
            raise ValueError("key_header needs key")
        return self

    @model_validator(mode="after")
    def _secrets_are_said_once(self) -> Self:
        if self.key is not None and self.key_env is not None:
            raise ValueError("key or key_env: they say the same")
        if self.proxy_login is not None and self.proxy_login_env is not None:
            raise ValueError("proxy_login or proxy_login_env: they say the same")
        if (self.proxy_login or self.proxy_login_env) is not None and self.proxy is None:
            raise ValueError("proxy_login needs proxy")
        return self


class OtherUpstream(OneUpstream):
    """An LLM API that serves some models."""

    models: tuple[ModelPattern, ...] = ()
    """models that it serves, as callers name them; for litellm, its map says so"""

    @property
    def patterns(self) -> tuple[str, ...]:
        """Which models it serves."""
        return self.models or tuple(self.litellm)

    @model_validator(mode="after")
    def _serves_something(self) -> Self:
        if bool(self.litellm) == bool(self.models):
            raise ValueError("say which models it serves: models (with url), or litellm")
        if self.models and self.url is None:
            raise ValueError("models needs url")
        return self


class UpstreamSettings(OneUpstream):
    """The LLM APIs behind Guard: one for every model, and others for some models."""

    others: Annotated[Mapping[UpstreamName, OtherUpstream], Field(max_length=MOST_UPSTREAMS)] = {}
    """further LLM APIs by name; the longest pattern that fits a request's model wins, and the rest goes to `url`"""

    @property
    def is_set(self) -> bool:
        """Whether there is any LLM API behind Guard."""
        return self.url is not None or bool(self.litellm) or bool(self.others)

    def why_no_key(self, name: str | None) -> str | None:
        """Return why a tenant's key cannot be for one upstream alone, None where it can.

        Args:
            name: of the upstream that it is for; None: for the only one that there is.
        """
        there = {**({DEFAULT: self} if self.url or self.litellm else {}), **self.others}
        if name is None and self.others:
            return f"there is more than one LLM API: write upstream_keys, with a key for each of {', '.join(there)}"
        if name is not None and name not in there:
            return f"there is no such LLM API in `upstream`; there is {', '.join(there) or 'none'}"
        one = there.get(name or DEFAULT, self)
        if one.litellm_environment:
            return "litellm_environment or a key of the tenant's: which of them pays?"
        if len(one.paid) > 1:
            return f"one key, for {' and '.join(one.paid)}: make each of them one of `upstream.others`"
        return None

    @model_validator(mode="after")
    def _default_is_one(self) -> Self:
        if DEFAULT in self.others:
            raise ValueError("others: default is what `upstream` itself is called; choose another name")
        return self

    @model_validator(mode="after")
    def _each_model_has_one_upstream(self) -> Self:
        seen: dict[str, str] = {}
        for name, pattern in self._patterns():
            if pattern in seen:
                raise ValueError(f"others: model {pattern!r} is served by {seen[pattern]} and by {name}")
            seen[pattern] = name
        return self

    def _patterns(self) -> Iterator[tuple[str, str]]:
        return ((name, pattern) for name, other in self.others.items() for pattern in other.patterns)
