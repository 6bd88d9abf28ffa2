"""Text as rows of tokens: windows that overlap, so that nothing is cut off and nothing is lost at a seam.

A row is [CLS] prompt [SEP], or [CLS] prompt [SEP] seen [SEP] beside a picture, whose words are segment 1.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guard.errors import BundleInvalid, TextTooLong
from guard.manifest import TextSpec

# WordPiece turns a word of more than 100 characters into one [UNK]: unread, while an LLM reads it well.
_LONG_WORD = re.compile(r"(\S{64})(?=\S)")
# A word with a sign in it that the tokenizer does not know is one [UNK] to the model, and "safe", while an LLM reads it
# well. So many of them, and such a share of the words in Latin letters, had none of 47,500 prompts in eight languages.
_LEAST_UNREAD = 3
_MOST_UNREAD_SHARE = 0.3
_WORD = re.compile(r"\w(?:\S*\w)?")  # without the emoji at its end
# The tokenizer holds Python's lock while it encodes: a text of 900,000 Chinese characters in one piece froze the server
# for 3 s. A slice of this length takes up to 10 ms.
_SLICE_CHARS = 2048


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of one window, int64 (1, tokens), and its segments."""

    ids: NDArray[np.int64]
    segments: NDArray[np.int64]

    @property
    def feeds(self) -> dict[str, NDArray[np.int64]]:
        """Inputs of the text graph. Windows run one by one: nothing is padded, and none depends on its neighbours."""
        return {"input_ids": self.ids, "attention_mask": np.ones_like(self.ids), "token_type_ids": self.segments}


class Windows:
    """Cuts texts into rows for one tokenizer and one `TextSpec`.

    Raises:
        BundleInvalid: the tokenizer has no [CLS] or [SEP], or a window has no room between them and the overlap.
    """

    def __init__(self, tokenizer: Tokenizer, spec: TextSpec) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._spec = spec
        self._begin, self._end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        if self._begin is None or self._end is None:
            raise BundleInvalid("tokenizer.json has no [CLS] or no [SEP]")
        self._unknown = tokenizer.token_to_id("[UNK]")
        # Half a window must step forward, for pairs in which both texts are long.
        if (spec.window_tokens - 3) // 2 <= spec.overlap_tokens // 2:
            raise BundleInvalid(f"a window of {spec.window_tokens} tokens cannot overlap by {spec.overlap_tokens}")

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text; of one that is too long in any case, enough of them to tell.

        Raises:
            TextTooLong: it has so many characters that its tokens need not be counted.
        """
        if len(text) > self._spec.most_chars:
            raise TextTooLong(f"{len(text):,} characters, at most {self._spec.most_chars:,} are judged")
        most = self._spec.max_windows * self._spec.window_tokens
        ids: list[int] = []
        for part in _slices(_LONG_WORD.sub(r"\1 ", text)):
            ids += self._tokenizer.encode(part, add_special_tokens=False).ids
            if len(ids) > most:
                break
        return ids

    def are_read(self, text: str, tokens: list[int]) -> bool:
        """Return whether the model gets to see the words of a text, given with its `tokens`, that have Latin letters.

        Words in other scripts do not count: of some the tokenizer knows no more than a few signs.
        """
        if self._unknown is None or self._unknown not in tokens:
            return True
        words = [word for word in _WORD.findall(text) if any(map(_is_latin, word))]
        strange = {word for word in words if not word.isascii()}
        unread = {
            word for word in strange if self._unknown in self._tokenizer.encode(word, add_special_tokens=False).ids
        }
        count = sum(word in unread for word in words)
        return count < _LEAST_UNREAD or count < _MOST_UNREAD_SHARE * len(words)

    def of_prompt(self, tokens: list[int]) -> list[Row]:
        """Return the windows of a prompt alone: at least one, for an empty prompt too. Raises TextTooLong."""
        pieces = self._cut(tokens, self._spec.window_tokens - 2, self._spec.overlap_tokens)
        return self._checked([self._row(piece, None) for piece in pieces])

    def of_pair(self, first: list[int], second: list[int]) -> list[Row]:
        """Return the windows of a prompt, empty for none, with the words of a picture. Raises TextTooLong.

        Where one of them is short, every window holds all of it. Where both are long, each window of the prompt is
        joined by the beginning of the words, and each window of the words by the end of the prompt.
        """
        room, overlap = self._spec.window_tokens - 3, self._spec.overlap_tokens
        half = room // 2
        if len(first) <= half:
            rows = [self._row(first, piece) for piece in self._cut(second, room - len(first), overlap // 2)]
        elif len(second) <= half:
            rows = [self._row(piece, second) for piece in self._cut(first, room - len(second), overlap // 2)]
        else:
            firsts, seconds = self._cut(first, half, overlap // 2), self._cut(second, half, overlap // 2)
            rows = [self._row(piece, seconds[0]) for piece in firsts]
            rows += [self._row(firsts[-1], piece) for piece in seconds[1:]]
        return self._checked(rows)

    def extremes(self) -> list[Row]:
        """Return the shortest row, and the longest: a full window of the highest token id, in both segments."""
        highest = max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        half, room = self._spec.window_tokens // 2, self._spec.window_tokens - 3
        return [self._row([], None), self._row([highest] * (room - half), [highest] * half)]

    def _cut(self, tokens: list[int], size: int, overlap: int) -> list[list[int]]:
        starts = range(0, max(len(tokens) - overlap, 1), size - overlap)
        return [tokens[start : start + size] for start in starts]

    def _row(self, first: Sequence[int], second: Sequence[int] | None) -> Row:
        ids = [self._begin, *first, self._end]
        segments = [0] * len(ids)
        if second is not None:
            ids += [*second, self._end]
            segments += [1] * (len(second) + 1)
        return Row(np.array([ids], np.int64), np.array([segments], np.int64))

    def _checked(self, rows: list[Row]) -> list[Row]:
        if len(rows) > self._spec.max_windows:
            raise TextTooLong(f"more than {self._spec.max_windows} windows of text")
        return rows


def _is_latin(character: str) -> bool:
    if character.isascii():
        return character.isalpha()
    return unicodedata.name(character, "").startswith("LATIN")


def _slices(text: str) -> Iterator[str]:
    """Yield a text in slices that begin at a blank, where the tokenizer parts words too: the tokens stay the same."""
    start = 0
    while start < len(text):
        end = start + _SLICE_CHARS
        if end < len(text):
            blank = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
            end = blank if blank > 0 else end
        yield text[start:end]
        start = end
