"""What Guard's verdicts would cost in eager PyTorch: the same tokens, the same vision graph, float32, one thread.

The judge is an encoder of MiniLM's size with random weights: what it says is of no use, what it costs is the same. The
bundle's own is stored in int8, which eager PyTorch does not compute with. Pictures go through the bundle's own vision
graph. Wherever there is a choice it favours PyTorch: pictures are decoded at the smallest scale of their JPEG that
still covers the model's input, nothing is checked, and what is seen in a picture is its likeliest name alone.
"""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from benchmark.speed.eager_graph import EagerGraph
from benchmark.speed.extras import load
from guard import Bundle, Pair

NEEDS = ("torch", "transformers", "onnx")

# all-MiniLM-L6-v2, the encoder that the embedded bundle was trained from.
_MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
_OUTPUTS = 20  # unsafe, 14 scenarios, 5 attacks


class EagerGuard:
    """Judges pairs as a plain PyTorch program would, one row after the other, each without padding.

    Args:
        bundle: whose tokenizer, names and vision graph are used.

    Raises:
        UsageError: a package is missing, or the vision graph has an operator that is not known here.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._torch: Any = load("torch")
        self._torch.set_num_threads(1)
        self._tokenizer = Tokenizer.from_file(str(bundle.path / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._encoder, self._head = self._make_judge(self._tokenizer.get_vocab_size())
        self._vision = EagerGraph(bundle.path / "vision.onnx")
        self._names = bundle.read_names()
        self._spec = bundle.manifest.image

    def judge(self, pair: Pair) -> float:
        """Return the highest first logit of a pair's rows: the prompt, the words of its picture, and both together."""
        with self._torch.inference_mode():
            rows: list[tuple[str, str | None]] = [(pair.text, None)]
            for image in pair.images:
                names = self._vision.run({"pixels": self._pixels(image.data or b"")})["names"]
                words = f"a picture of {self._names[int(names[0].argmax())]}"
                rows += [("", words), (pair.text, words)]
            return max(self._logit(*row) for row in rows)

    def _make_judge(self, vocabulary: int) -> tuple[Any, Any]:
        transformers: Any = load("transformers")
        self._torch.manual_seed(0)
        config = transformers.BertConfig(vocab_size=vocabulary, **_MINILM)
        encoder = transformers.BertModel(config, add_pooling_layer=False)
        return encoder.eval(), self._torch.nn.Linear(_MINILM["hidden_size"], _OUTPUTS).eval()

    def _logit(self, first: str, second: str | None) -> float:
        encoded = self._tokenizer.encode(first, second)
        ids, segments = self._torch.tensor([encoded.ids]), self._torch.tensor([encoded.type_ids])
        hidden = self._encoder(input_ids=ids, token_type_ids=segments).last_hidden_state
        return float(self._head(hidden.mean(1))[0, 0])

    def _pixels(self, data: bytes) -> Any:
        side = (self._spec.size, self._spec.size)
        image = Image.open(BytesIO(data))
        image.draft("RGB", side)
        small = image.convert("RGB").resize(side, Image.Resampling.BILINEAR, reducing_gap=2)
        pixels = self._torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float()
        mean, std = (self._torch.tensor(of).view(1, 3, 1, 1) for of in (self._spec.mean, self._spec.std))
        return ((pixels / 255 - mean) / std).contiguous()
