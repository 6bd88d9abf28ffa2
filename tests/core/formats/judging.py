"""What tests of formats share: parse a document, and see what would be judged of it."""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from guard.core.conversation import Conversation, pairs_to_judge
from tests.pictures import solid

PNG = b64encode(solid("red")).decode()
URL = "https://x.test/a.png"
DATA_URL = f"data:image/png;base64,{PNG}"

Parse = Callable[..., Conversation]


def parse(parser: Parse, document: Any, *, max_images: int = 8) -> Conversation:
    """Return the conversation in a document."""
    return parser(json.dumps(document).encode(), max_images=max_images)


def judged(conversation: Conversation) -> str:
    """Return every text that is judged, one a line."""
    return "\n".join(pair.text for pair in pairs_to_judge(conversation))


def unjudged(conversation: Conversation) -> set[str]:
    """Return the codes of what cannot be seen."""
    return {code for pair in pairs_to_judge(conversation) for code in pair.unjudged}
