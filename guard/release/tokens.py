"""How many tokens a bundle's tokenizer has, and how many its text graph knows."""

from typing import Any

import numpy as np
from tokenizers import Tokenizer

from guard.bundle import Bundle
from guard.runtime import import_onnxruntime
from guard.scorers.sessions import open_sessions

_MOST = 2**22  # no vocabulary is that large


def count_tokenizer_tokens(bundle: Bundle) -> int:
    """Return one more than the highest token id of tokenizer.json."""
    vocabulary = Tokenizer.from_buffer(bundle.read("tokenizer.json")).get_vocab(with_added_tokens=True)
    return max(vocabulary.values()) + 1


def count_graph_tokens(bundle: Bundle) -> int | None:
    """Return one more than the highest token id that text.onnx takes; None where it takes any, 0 where it takes none.

    The graph is asked: ONNX Runtime refuses to gather a row that an embedding table does not have.
    """
    session = open_sessions(bundle, provider="cpu").text
    if _takes(session, _MOST):
        return None
    if not _takes(session, 0):
        return 0
    low, high = 0, _MOST  # takes low, refuses high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _takes(session, middle) else (low, middle)
    return low + 1


def _takes(session: Any, token: int) -> bool:
    ids = np.array([[token]], np.int64)
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    try:
        session.run(["unsafe"], feeds)
    except _refusals():
        return False
    return True


def _refusals() -> tuple[type[Exception], ...]:
    """Return what a run ends in where the graph has no such row: which of them is the kernel's choice."""
    kinds = import_onnxruntime().capi.onnxruntime_pybind11_state
    return (kinds.InvalidArgument, kinds.RuntimeException, kinds.Fail)
