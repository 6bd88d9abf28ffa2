"""Who may ask, and how they say who they are: tenants, the admin, certificates. Frozen pydantic models.

No secret stands in the configuration: it names where one is, or holds its digest.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from guard.policy_settings import Section
from guard.upstream_settings import ELSEWHERE, SecretReference, UpstreamName

MOST_TENANTS = 200  # each is a value of the label `tenant` in the metrics

_DIGEST = r"sha256:[0-9a-f]{64}"
# What does not fit stays out of the message: it may be the secret itself.
KeyReference = Annotated[str, Field(pattern=rf"^(?:{_DIGEST}|{ELSEWHERE})$")]


class AdminSettings(Section):
    """Who may look into this Guard and change what judges."""

    token: KeyReference | None = None
    """the admin's bearer token: sha256:HEX of it, env:NAME or file:PATH; none closes the console and every page that
    is the admin's"""
    session_key: SecretReference | None = None
    """signs the console's sessions, at least 32 characters: env:NAME or file:PATH, the same on each of several
    machines; none makes one in $XDG_STATE_HOME/guard"""
    candidates: str | None = None
    """folder for the candidate bundles that the console proposes; none takes $XDG_STATE_HOME/guard/candidates"""


class TlsSettings(Section):
    """TLS on Guard's own address."""

    certificate: str | None = None
    """file with the certificate and those between it and its authority, in PEM; none serves without TLS"""
    key: str | None = None
    """file with its private key, without a password; none takes it from the file of the certificate"""
    client_authorities: str | None = None
    """file with authorities, in PEM: only clients with a certificate by one of them are served"""


def _each_once(keys: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(keys)) != len(keys):
        raise ValueError("a key is listed twice")
    return keys


class TenantSettings(Section):
    """One tenant: what it shows to be known, how it is judged, and how much it may ask."""

    keys: Annotated[tuple[KeyReference, ...], Field(min_length=1, max_length=100), AfterValidator(_each_once)]
    """what its requests bear (as bearer token, x-api-key, api-key, or x-guard-token, which is never sent on): tokens
    made for Guard, or the tenant's own keys of the LLM API; each as sha256:HEX, env:NAME or file:PATH"""
    policy: str | None = None
    """one of `policies`, or an operating point of the bundle; none takes the one that judges by default"""
    refusal: Literal["error", "message"] | None = None
    """how its unsafe prompts are answered; none takes the setting `refusal`"""
    upstream_key: SecretReference | None = None
    """key of the LLM API that is sent on in place of what the tenant shows: env:NAME or file:PATH; none sends on what
    it shows. For the LLM API of `upstream`, where that is the only one"""
    upstream_keys: Mapping[UpstreamName, SecretReference] = {}
    """the same where there are several: a key for each, by its name in `upstream.others` (default: that of `upstream`
    itself). An LLM API that is not named here is sent its own key, and nothing that the tenant shows"""
    max_inflight: PositiveInt | None = None
    """of its requests under way at once in each worker, to the end of their answers; more are refused with 429"""
    requests_per_minute: PositiveInt | None = None
    """in each worker; as many may come at once, more are refused with 429"""

    @property
    def keys_by_upstream(self) -> Mapping[str | None, str]:
        """Where its keys of LLM APIs are, by the name of the one that each is for; None: the only one there is."""
        if self.upstream_key is not None:
            return {None: self.upstream_key}
        return {name: key for name, key in self.upstream_keys.items()}  # noqa: C416 - dict() would have narrower keys

    @model_validator(mode="after")
    def _keys_are_said_once(self) -> Self:
        if self.upstream_key is not None and self.upstream_keys:
            raise ValueError("upstream_key or upstream_keys: the one is for a single LLM API, the other for several")
        return self


def _tenant_name(name: str) -> str:
    if name == "default":
        raise ValueError("default is what callers are called who are no tenant; choose another name")
    return name


TenantName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,39}$"), AfterValidator(_tenant_name)]
