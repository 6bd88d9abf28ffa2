"""Long texts cut into passages of about one model window, each with the label that fits it.

Serving cuts long texts into windows and the most unsafe one counts. A window of a harmful document that holds none of
the harm is harmless, so harmful rows keep only the passage around what makes them so; harmless rows keep several.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from guard.train.rows import TextRow, share

PASSAGE_CHARS = 420
_SAFE_PASSAGES = 3


def passages(rows: Sequence[TextRow]) -> list[TextRow]:
    """Return the rows with long texts replaced by one to three passages of theirs; groups stay as they are."""
    companions: dict[str, list[TextRow]] = defaultdict(list)
    for row in rows:
        companions[row.group].append(row)
    result: list[TextRow] = []
    for row in rows:
        if len(row.text) <= PASSAGE_CHARS:
            result.append(row)
        elif row.unsafe:
            result.append(replace(row, text=_around(row.text, _core(row, companions[row.group]))))
        else:
            pieces = _pieces(row.text)
            chosen = sorted(range(len(pieces)), key=lambda i, row=row: share("passage", f"{row.id}:{i}"))  # type: ignore[misc]
            result += [replace(row, id=f"{row.id}#{i}", text=pieces[i]) for i in sorted(chosen[:_SAFE_PASSAGES])]
    return result


def _core(row: TextRow, companions: Sequence[TextRow]) -> int:
    """Return where in the text the harm lies, as the middle of it: the goal that it wraps, or what was put in."""
    for goal in companions:
        place = row.text.find(goal.text) if goal.unsafe and len(goal.text) < len(row.text) else -1
        if place >= 0:
            return place + len(goal.text) // 2
    spans = [_difference(clean.text, row.text) for clean in companions if not clean.unsafe]
    if spans:
        start, stop = min(spans, key=lambda span: span[1] - span[0])
        return min((start + stop) // 2, start + PASSAGE_CHARS // 2)
    return 0


def _difference(clean: str, changed: str) -> tuple[int, int]:
    """Return the span of `changed` that `clean` lacks, given that one piece was put in."""
    start = _common_start(clean, changed)
    return start, len(changed) - _common_start(clean[start:][::-1], changed[start:][::-1])


def _common_start(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _around(text: str, middle: int) -> str:
    """Return a passage with `middle` inside, cut at white space where there is some."""
    start = max(0, min(middle - PASSAGE_CHARS // 2, len(text) - PASSAGE_CHARS))
    return _whole_words(text, start, start + PASSAGE_CHARS)


def _pieces(text: str) -> list[str]:
    return [_whole_words(text, start, start + PASSAGE_CHARS) for start in range(0, len(text), PASSAGE_CHARS)]


def _whole_words(text: str, start: int, stop: int) -> str:
    piece = text[start:stop]
    if start > 0 and (space := piece.find(" ", 0, 40)) >= 0:
        piece = piece[space + 1 :]
    if stop < len(text) and (space := piece.rfind(" ", len(piece) - 40)) >= 0:
        piece = piece[:space]
    return piece
