"""What a user wrote, as HTML: escaped, and without what no page shows."""

import re
from html import escape as _escape

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def escape(text: str) -> str:
    """Return a text for HTML; controls, which a terminal would obey, become a replacement character."""
    return _escape(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text))
