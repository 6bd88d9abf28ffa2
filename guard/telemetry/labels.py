"""The closed sets that labels come from, whatever callers send."""

from http import HTTPStatus

from guard import errors

STAGES = ("parse", "fetch", "decode", "ocr", "queue", "score", "decide", "judge", "upstream", "answer")
OTHER = "other"  # stands for every value outside a closed set
NONE = "none"
STATUSES = frozenset(str(status.value) for status in HTTPStatus)


def _tree(error: type[errors.GuardError]) -> frozenset[str]:
    return frozenset({error.code}).union(*(_tree(child) for child in error.__subclasses__()))


# The last ones are not errors: content that Guard never looks at, a client that left, a fault without a class.
CODES = _tree(errors.GuardError) | {
    "audio_part",
    "file_part",
    "file_id",
    "video_part",
    "stored_content",
    "server_tool",
    "token_part",
    "cancelled",
    "internal_error",
}


def code_label(code: str) -> str:
    """Return a code as a label: itself where Guard knows it."""
    return code if code in CODES else OTHER
