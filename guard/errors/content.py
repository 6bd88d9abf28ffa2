"""Why a part of the content could not be judged: the policy's `on_unjudged` decides."""

from guard.errors.base import GuardError


class ContentUnjudged(GuardError):
    """A part of the content could not be judged; the policy's `on_unjudged` decides what happens to it."""

    code = "content_unjudged"


class ImageRejected(ContentUnjudged):
    """A picture could not be used: not an image, too many pixels, bytes or frames, or cut short."""

    code = "image_rejected"


class ImageUnreachable(ContentUnjudged):
    """A picture's URL could not or may not be fetched. One code for all network failures: no port-scan oracle."""

    code = "image_unreachable"


class OcrFailed(ContentUnjudged):
    """A picture seems to hold writing, and the writing could not be read."""

    code = "ocr_failed"


class TextUnreadable(ContentUnjudged):
    """A text, or a word in it, is made of characters that nobody sees or that no table of Unicode explains."""

    code = "text_unreadable"


class TextTooLong(ContentUnjudged):
    """A text, alone or beside its pictures, needs more token windows than the scorer judges."""

    code = "text_too_long"


class AnswerUnreadable(ContentUnjudged):
    """An answer of the LLM, or an event of it, is not what its API promises: no JSON, too large, compressed."""

    code = "answer_unreadable"
