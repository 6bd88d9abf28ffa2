"""From settings to the one `Upstream` that Guard sends to."""

from collections.abc import Mapping

from guard.errors import ConfigInvalid
from guard.ports import Upstream
from guard.upstream_settings import DEFAULT, OneUpstream, UpstreamSettings
from guard.upstreams.by_model import ByModel
from guard.upstreams.passthrough import Passthrough


def open_upstreams(settings: UpstreamSettings, environment: Mapping[str, str]) -> Upstream:
    """Return what stands for every LLM API of the settings; nothing is connected yet.

    Args:
        settings: `is_set`.
        environment: where API keys and the proxy's login are; only variables that the settings name are read.

    Raises:
        ConfigInvalid: there is no LLM API, a key or a certificate is missing, or litellm is not installed.
    """
    if not settings.is_set:
        raise ConfigInvalid("upstream.url is not set")
    default = _open_one(DEFAULT, settings, environment) if settings.url or settings.litellm else None
    if default is not None and not settings.others:
        return default
    others = {}
    for name, other in settings.others.items():
        opened = _open_one(name, other, environment)
        others.update(dict.fromkeys(other.patterns, opened))
    return ByModel(default, others)


def _open_one(name: str, settings: OneUpstream, environment: Mapping[str, str]) -> Upstream:
    if settings.litellm:
        # Imported where it is used: litellm takes seconds to load, and is an extra.
        try:
            from guard.upstreams.through_litellm import ThroughLitellm
        except ImportError as error:
            raise ConfigInvalid("upstream.litellm needs litellm: pip install 'mllm-guard[litellm]'") from error
        return ThroughLitellm(settings, environment, name=name)
    return Passthrough(settings, environment, name=name)
