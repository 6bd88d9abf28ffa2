"""Why a request is turned away before anything in it is judged."""

from guard.errors.base import GuardError


class RequestInvalid(GuardError):
    """A request cannot be parsed into a conversation: not JSON, duplicate keys, wrong shapes."""

    code = "request_invalid"


class UnknownPart(RequestInvalid):
    """A content part has a type that Guard does not know; it is never skipped silently."""

    code = "unknown_part"


class BodyTooLarge(RequestInvalid):
    """A body holds more bytes than allowed, before or after inflating."""

    code = "body_too_large"


class BodyTimeout(RequestInvalid):
    """A body did not arrive in time; slow senders hold nothing for long."""

    code = "body_timeout"


class EncodingUnsupported(RequestInvalid):
    """A body is compressed in a way that Guard does not inflate, or twice."""

    code = "unsupported_encoding"


class Unauthorized(RequestInvalid):
    """A request shows no key, one that Guard does not know where that is refused, or keys of several tenants."""

    code = "unauthorized"


class Forbidden(RequestInvalid):
    """A change in a session lacks its token, or comes from a page that is not Guard's own."""

    code = "forbidden"


class RateLimited(RequestInvalid):
    """A tenant sends more requests than its `requests_per_minute`, or has more under way than its `max_inflight`."""

    code = "rate_limited"


class UnknownModel(RequestInvalid):
    """A request names a model that no upstream serves, or whose upstream does not speak the request's API."""

    code = "unknown_model"


class UnknownRoute(RequestInvalid):
    """A path that Guard does not forward in this mode."""

    code = "unknown_route"
