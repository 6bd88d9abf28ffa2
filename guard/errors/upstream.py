"""What can go wrong with the LLM API behind Guard."""

from guard.errors.base import GuardError


class UpstreamFailed(GuardError):
    """The LLM API behind Guard did not answer."""

    code = "upstream_failed"


class UpstreamUnreachable(UpstreamFailed):
    """No connection to the LLM API."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamFailed):
    """The LLM API did not connect, send a first byte, or finish in time."""

    code = "upstream_timeout"


class UpstreamBroken(UpstreamFailed):
    """The LLM API broke off in the middle of its answer."""

    code = "upstream_broken"
