"""Texts as token numbers: a prompt, and what is known of its picture as a second segment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

MAX_TOKENS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Encoded texts of uneven length, and batches of them padded to the longest."""

    ids: tuple[NDArray[np.int64], ...]
    segments: tuple[NDArray[np.int64], ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each text, shape (n,)."""
        return np.array([len(ids) for ids in self.ids], np.int64)

    def padded(self, index: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return the inputs of the text graph for some texts, each int64 of shape (len(index), longest)."""
        longest = max(len(self.ids[i]) for i in index)
        arrays = {
            name: np.zeros((len(index), longest), np.int64)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        for row, i in enumerate(index):
            length = len(self.ids[i])
            arrays["input_ids"][row, :length] = self.ids[i]
            arrays["attention_mask"][row, :length] = 1
            arrays["token_type_ids"][row, :length] = self.segments[i]
        return arrays


def encode(tokenizer: Tokenizer, texts: Sequence[str], second: Sequence[str], *, limit: int = MAX_TOKENS) -> Tokens:
    """Return `[CLS] text [SEP]`, or `[CLS] text [SEP] second [SEP]` where there is a second, cut to `limit` tokens."""
    # A copy: truncation is a setting of the tokenizer, and what a bundle ships must have none.
    own = Tokenizer.from_str(tokenizer.to_str())
    own.enable_truncation(limit)
    pairs = [(text, found) if found else text for text, found in zip(texts, second, strict=True)]
    encodings = own.encode_batch(pairs)
    return Tokens(
        ids=tuple(np.array(encoding.ids, np.int64) for encoding in encodings),
        segments=tuple(np.array(encoding.type_ids, np.int64) for encoding in encodings),
    )
