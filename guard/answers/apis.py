"""The forms of answers, by the name of the API (`guard.server.apis`)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from guard.answers.chat import ChatForm
from guard.answers.forms import Form
from guard.answers.messages import MessagesForm
from guard.answers.responses import ResponsesForm

FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "chat": ChatForm(),
        "completions": ChatForm(is_text=True),
        "responses": ResponsesForm(),
        "messages": MessagesForm(),
    }
)
