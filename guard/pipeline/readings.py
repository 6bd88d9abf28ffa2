"""A pair in all its readings, each judged as a pair of its own; the most unsafe of them counts.

Readings follow from the text and the writing alone, by fixed rules: whatever identifies a pair identifies them too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from guard.core.disguise import further_readings
from guard.types import PreparedPair, Scores

# Of the writing of several frames together: what is longer is judged in full frame by frame.
_JOINED_CHARS = 2000


def readings_of(pair: PreparedPair) -> tuple[PreparedPair, ...]:
    """Return the pair as it stands, and once more for each further reading of its text and of the writing it shows.

    A sentence may be written over several frames: where two of them and more hold writing, it is read as one text as
    well, beside the first of these frames. An ordinary pair is returned alone.
    """
    texts = (replace(pair, text=reading) for reading in further_readings(pair.text))
    return (pair, *texts, *_with_writing_read(pair), *_with_writing_joined(pair))


def most_unsafe(scores: Sequence[Scores]) -> Scores:
    """Return the highest of each score over the readings of one pair, at least one; halves missing in one miss in all.

    As with the windows of a long text, a scenario may come from one reading and an attack from another. Whether the
    words were read is said of the pair as it stands, the first: who hides a text opens another one beside it.
    """
    if len(scores) == 1:
        return scores[0]
    return Scores(
        unsafe=max(score.unsafe for score in scores),
        scenarios=tuple(map(max, zip(*(score.scenarios for score in scores), strict=True))),
        attacks=tuple(map(max, zip(*(score.attacks for score in scores), strict=True))),
        text_alone=_highest(score.text_alone for score in scores),
        image_alone=_highest(score.image_alone for score in scores),
        is_read=scores[0].is_read,
    )


def _with_writing_joined(pair: PreparedPair) -> Iterator[PreparedPair]:
    """Yield the first frame that holds writing with that of all frames, and once more for each further reading."""
    writings = list(dict.fromkeys(filter(None, pair.ocr)))
    if len(writings) < 2:
        return
    share = _JOINED_CHARS // len(writings)
    joined = "\n".join(writing[:share] for writing in writings)
    for writing in (joined, *further_readings(joined)):
        yield replace(pair, frames=(pair.frames[pair.ocr.index(writings[0])],), ocr=(writing,))


def _with_writing_read(pair: PreparedPair) -> Iterator[PreparedPair]:
    """Yield the pair with the first further reading of every frame's writing in its place, then with the second."""
    readings = {writing: further_readings(writing) for writing in dict.fromkeys(pair.ocr) if writing}
    for place in range(max(map(len, readings.values()), default=0)):
        ocr = (readings.get(writing, ())[place : place + 1] or (writing,) for writing in pair.ocr)
        yield replace(pair, ocr=tuple(reading for (reading,) in ocr))


def _highest(scores: Iterator[float | None]) -> float | None:
    return max((score for score in scores if score is not None), default=None)
