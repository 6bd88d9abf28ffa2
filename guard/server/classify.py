"""`POST /guard/classify`: verdicts without an LLM API behind them.

    {"text": "...", "images": ["https://...", "data:image/png;base64,..."]}    -> the verdict object
    [{"text": "..."}, {"images": ["..."]}]                                     -> a list of them, in the same order

The status is 200 whatever the verdict says: `verdict` and `intended` are the answer, also where they are "unjudged".
"""

from typing import Any

from pydantic import BaseModel, ValidationError

from guard.core.conversation import Turn
from guard.core.document import read_json
from guard.core.formats.pictures import image_input
from guard.core.formats.reading import Draft
from guard.errors import RequestInvalid
from guard.server.exchange import Exchange
from guard.server.items import MAX_ITEMS, OwnDoor, judge_items, received
from guard.server.wire import json_answer

ROUTE = "/guard/classify"


class ClassifyItem(BaseModel, frozen=True, extra="forbid"):
    """One pair; `images` are http(s) or data URLs."""

    text: str = ""
    images: tuple[str, ...] = ()


class Classify(OwnDoor):
    """The door of `/guard/classify`."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        async with received(exchange, ROUTE, self.settings, self.admission) as (body, hold):
            given = read_json(body)
            decisions = await judge_items(self.guard, list(map(_turn, self._items(given))), hold, exchange)
        exchange.decide(max(decisions, key=lambda decision: decision.intended.strictness))
        verdicts = [decision.to_dict() for decision in decisions]
        await exchange.answer(json_answer(verdicts if isinstance(given, list) else verdicts[0]))

    def _items(self, given: Any) -> list[ClassifyItem]:
        listed = given if isinstance(given, list) else [given]
        if not 1 <= len(listed) <= MAX_ITEMS:
            raise RequestInvalid(f"{len(listed)} items, the list takes 1 to {MAX_ITEMS}")
        items = [_item(value, index) for index, value in enumerate(listed)]
        images = sum(len(item.images) for item in items)
        if images > self.settings.images.max_per_request:
            raise RequestInvalid(f"{images} pictures, limit is {self.settings.images.max_per_request}")
        return items


def _turn(item: ClassifyItem) -> Turn:
    draft = Draft({})
    draft.say(item.text, "text", ("text",))
    draft.images += [image_input(url, f"images[{index}]") for index, url in enumerate(item.images)]
    return draft.turn("user", "")


def _item(value: Any, index: int) -> ClassifyItem:
    if not isinstance(value, dict) or not value:
        raise RequestInvalid(f'item {index}: must be an object with "text", "images" or both')
    try:
        return ClassifyItem.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "extra_forbidden":
            raise RequestInvalid(f'item {index}: has a key other than "text" and "images"') from None
        place = ".".join(str(part) for part in first["loc"])
        raise RequestInvalid(f"item {index}: {place}: {first['msg']}") from None
