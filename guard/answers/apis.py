"""Which form the answers of an API have, by its name (`guard.server.apis`)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from guard.answers.chat import ChatForm
from guard.answers.forms import Form
from guard.answers.messages import MessagesForm
from guard.answers.responses import ResponsesForm

_BY_NAME: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "chat": ChatForm(),
        "completions": ChatForm(is_text=True),
        "responses": ResponsesForm(),
        "responses_beside": ResponsesForm(),
        "messages": MessagesForm(),
        "messages_tokens": MessagesForm(),
        "messages_batch": MessagesForm(),
    }
)


def form_of(api: str) -> Form:
    """Return how the answers of an API are read; those of others are read as JSON in which every string counts."""
    return _BY_NAME.get(api, _BY_NAME["chat"])
