"""The manifest of a bundle as frozen models: file digests, preparation, calibration, thresholds, certificates."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from guard.types import ATTACKS, SCENARIOS

REQUIRED_FILES = ("text.onnx", "vision.onnx", "tokenizer.json", "names.txt", "card.md")

# One plain file in the bundle's own folder: no path, no hidden file, nothing that a shell or a terminal would read.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = frozenset({"manifest.json", "manifest.sig", "records"})
GPU_GRAPH = "_gpu.onnx"  # how the name of a graph ends that runs in place of NAME.onnx on GPUs
_PROSE = (".md", ".html", ".json", ".txt")  # the tokenizer and the names among them are bound on their own
_MOST_FILES = 100
_MOST_FILE_BYTES = 20_000_000_000  # reading more at each start would take minutes
_MOST_TOKENIZER_BYTES = 200_000_000  # it is read into memory, several times over


def _printed(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that is not printed")
    return text


Probability = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# Shown in terminals, logs and metrics: no line breaks, no escape sequences, no page of it.
Printed = Annotated[str, Field(max_length=1000), AfterValidator(_printed)]
Device = Literal["cpu", "gpu"]


class _Part(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A part of the manifest. Every number is finite: NaN would lie below each threshold, and so let all pass."""


class FileEntry(_Part):
    """Digest and size of one file."""

    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, le=_MOST_FILE_BYTES)]


class TextSpec(_Part):
    """How text becomes tokens. Longer texts are cut into overlapping windows; the most unsafe window counts."""

    window_tokens: Annotated[int, Field(gt=0, le=8192)] = 128  # with the special tokens
    overlap_tokens: NonNegativeInt = 32
    max_windows: PositiveInt = 128
    normalisation: Literal["guard-1"] = "guard-1"  # of guard/core/text.py

    @property
    def most_chars(self) -> int:
        """Characters from which on a text is too long whatever its tokens: 16 a token, where language has 1 to 6."""
        return self.max_windows * self.window_tokens * 16


class ImageSpec(_Part):
    """How a frame becomes a tensor: the whole picture squeezed to size × size, then (value / 255 − mean) / std."""

    size: Annotated[int, Field(gt=0, le=4096)]
    mean: tuple[float, float, float]
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    resample: Literal["bilinear", "bicubic"] = "bilinear"  # Pillow's, with reducing_gap=2


class Binding(_Part):
    """What raw scores depended on when something was learned from them: digests made by `guard.binding.bind`."""

    tokenizer: Sha256
    names: Sha256
    preparation: Sha256  # of `text`, `image`, `writing_gate`, and the rules that `guard.core.preparation` names
    graphs: Annotated[Mapping[Device, Sha256], Field(min_length=1)]  # measured on, or shown to decide alike
    data: Sha256 | None = None  # the labelled pairs


class Reference(_Part):
    """How the raw scores of the calibration data lay: rows by label and bin, `searchsorted(edges, score, "right")`."""

    edges: Annotated[tuple[float, ...], Field(min_length=1, max_length=1000)]  # ascending; one bin more than edges
    safe: tuple[NonNegativeInt, ...]
    unsafe: tuple[NonNegativeInt, ...]

    @model_validator(mode="after")
    def _bins_fit(self) -> "Reference":
        if list(self.edges) != sorted(set(self.edges)) or {len(self.safe), len(self.unsafe)} != {len(self.edges) + 1}:
            raise ValueError("the edges of a reference ascend, and it has one bin more than edges")
        return self


class Calibration(_Part):
    """From raw score to probability: increasing by construction.

    platt: 1 / (1 + exp(−(slope · score + intercept))), slope > 0. temperature is platt with intercept 0.
    isotonic: linear interpolation through (`scores`, `probabilities`), both ascending.
    """

    kind: Literal["platt", "temperature", "isotonic"]
    slope: Annotated[float, Field(gt=0)] = 1.0
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    probabilities: tuple[Probability, ...] = ()
    prevalence: Probability | None = None  # share of unsafe pairs that `probability` refers to
    binding: Binding | None = None  # None where nobody wrote down what it was fitted to
    reference: Reference | None = None  # of the data that the bundle was calibrated on last

    @model_validator(mode="after")
    def _knots_fit(self) -> "Calibration":
        if self.kind == "isotonic":
            if len(self.scores) < 2 or len(self.scores) != len(self.probabilities):
                raise ValueError("an isotonic calibration has as many scores as probabilities, at least two")
            if list(self.scores) != sorted(set(self.scores)) or list(self.probabilities) != sorted(self.probabilities):
                raise ValueError("the knots of an isotonic calibration ascend")
        return self


class Certificate(_Part):
    """What was proven about a threshold, on which data, in which unit. Written by `guard calibrate`."""

    data: Printed
    data_sha256: str
    unit: Literal["group", "request", "mean"]  # mean: of the share of each group's rows
    rate: Literal["false_refusal", "miss"] = "false_refusal"  # what is limited
    category: Printed | None = None  # of the pairs that the limit is about; None for all
    n_groups: PositiveInt
    errors: NonNegativeInt
    limit: Probability  # declared before the data was read
    confidence: Probability
    upper: Probability  # exact binomial upper bound at the threshold
    estimate: Probability
    recall_low: Probability | None = None
    verdict: Literal["certified", "certified but useless"]


class OperatingPoint(_Part):
    """A threshold on the probability: at or above it a pair is unsafe. `certificate` is None for an estimate."""

    threshold: Probability
    chosen_on: Printed  # what data, in words
    certificate: Certificate | None = None
    further: tuple[Certificate, ...] = ()  # of other limits that the threshold keeps as well, proven together with it
    binding: Binding | None = None  # None where nobody wrote down what it was chosen for

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Everything that was proven about the threshold; with several, all of it holds with the stated confidence."""
        return () if self.certificate is None else (self.certificate, *self.further)

    @model_validator(mode="after")
    def _certificates_and_binding_are_of_one_kind(self) -> "OperatingPoint":
        if self.certificate is None and self.further:
            raise ValueError("further certificates stand beside a first one")
        data = None if self.binding is None else self.binding.data
        if data is not None and any(proven.data_sha256 != data for proven in self.certificates):
            raise ValueError("the binding names other data than the certificate")
        return self


class AdaptedOn(_Part):
    """How the head was fitted to a deployment's own labelled pairs. Written by `guard calibrate --adapt`."""

    data: Printed
    data_sha256: Sha256
    n_pairs: PositiveInt
    n_groups: PositiveInt
    strength: Probability  # share of the fitted change that was kept
    penalty: NonNegativeFloat  # L2
    from_sha256: Sha256  # digest of the bundle that was adapted
    created: Printed  # ISO date


class Manifest(_Part):
    """Everything about a bundle but the files themselves."""

    format: Literal[2] = 2
    name: Printed
    version: Printed
    created: Printed  # ISO date
    precision: Literal["fp32", "fp16", "int8"]
    text: TextSpec
    image: ImageSpec
    writing_gate: Probability = 0.2  # recommended likelihood of writing from which OCR runs
    scenarios: tuple[str, ...] = SCENARIOS
    attacks: tuple[str, ...] = ATTACKS
    calibration: Calibration
    operating_points: Mapping[Printed, OperatingPoint]
    adapted: AdaptedOn | None = None
    files: Mapping[str, FileEntry]

    @property
    def graph_files(self) -> frozenset[str]:
        """The graphs, and all files that they may read their weights from."""
        return frozenset(name for name in self.files if not name.endswith(_PROSE))

    @property
    def scored_with(self) -> frozenset[str]:
        """All files that raw scores depend on: the graphs, the tokenizer and the names. All else is prose."""
        return self.graph_files | {"tokenizer.json", "names.txt"}

    def graph_file(self, name: Literal["text", "vision"], device: Device) -> str:
        """Return the name of the graph that runs on a device: one made for GPUs where there is one."""
        own = f"{name}{GPU_GRAPH}"
        return own if device == "gpu" and own in self.files else f"{name}.onnx"

    @property
    def has_gpu_graphs(self) -> bool:
        """Whether there is a graph that only GPUs run."""
        return any(name.endswith(GPU_GRAPH) for name in self.files)

    @field_validator("format", mode="before")
    @classmethod
    def _graphs_still_fit(cls, value: object) -> object:
        if value == 1:
            wording = "1 is of an earlier Guard: export the bundle again, or calibrate one of format 2"
            raise PydanticCustomError("old_format", wording)
        return value

    @model_validator(mode="after")
    def _outputs_are_known(self) -> "Manifest":
        if self.scenarios != SCENARIOS or self.attacks != ATTACKS:
            raise ValueError("scenarios and attacks differ from those of this version of Guard")
        if not self.operating_points:
            raise ValueError("a bundle has at least one operating point")
        missing = [name for name in REQUIRED_FILES if name not in self.files]
        if missing:
            raise ValueError(f"files lacks {', '.join(missing)}")
        odd = [name for name in self.files if not _FILE_NAME.fullmatch(name) or name in _RESERVED]
        if odd:
            raise ValueError(f"files holds {odd[0][:40]!r}, which no file of a bundle is called")
        tokenizer_bytes = self.files["tokenizer.json"].size_bytes
        if tokenizer_bytes > _MOST_TOKENIZER_BYTES:
            raise ValueError(f"tokenizer.json has {tokenizer_bytes:,} bytes, limit is {_MOST_TOKENIZER_BYTES:,}")
        if len(self.files) > _MOST_FILES:
            raise ValueError(f"files holds {len(self.files)} files, limit is {_MOST_FILES}")
        return self
