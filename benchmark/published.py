"""What others scored on MMSafeAware, as published. Facts from the paper; nothing here was measured by this project."""

from dataclasses import dataclass

SOURCE = "arXiv 2502.11184 (ACL 2025), table 1; the total is the unweighted mean of the three splits"
N_TYPICAL, N_ATTACK = 171, 855  # rows of the release


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Accuracy in percent on the whole benchmark, models asked the authors' question."""

    name: str
    typical: float
    attack: float
    over_safety: float
    total: float

    @property
    def unsafe(self) -> float:
        """Accuracy on all unsafe rows: both splits by their number of rows."""
        return (N_TYPICAL * self.typical + N_ATTACK * self.attack) / (N_TYPICAL + N_ATTACK)


@dataclass(frozen=True, slots=True)
class PublishedParts:
    """Accuracy in percent on unsafe rows, on over-safety rows, and on all of them."""

    unsafe: float
    over_safety: float
    overall: float


PUBLISHED = (
    PublishedRow("GPT-4V", 63.9, 68.4, 41.1, 57.8),
    PublishedRow("GPT-4o", 81.3, 88.7, 25.0, 65.0),
    PublishedRow("Gemini 1.5", 86.6, 81.5, 18.5, 62.2),
    PublishedRow("Gemini 1.5 Pro", 81.2, 74.2, 40.8, 65.4),
    PublishedRow("Bard", 73.8, 61.4, 28.6, 54.6),
    PublishedRow("Claude-3", 100.0, 99.1, 1.1, 66.7),
    PublishedRow("LLaVA-1.5-7B", 95.9, 97.7, 6.0, 66.5),
    PublishedRow("Qwen-VL-7B", 86.5, 95.2, 13.7, 65.1),
    PublishedRow("InstructBLIP", 66.1, 43.9, 20.5, 43.5),
    PublishedRow("human", 90.7, 92.8, 95.2, 92.9),
)
# By model: without and with the safety system prompt.
SAFETY_PROMPT = {
    "GPT-4V": (PublishedParts(68.2, 36.0, 57.7), PublishedParts(70.4, 32.1, 57.6)),
    "GPT-4o": (PublishedParts(86.6, 22.7, 65.7), PublishedParts(88.2, 21.9, 66.1)),
    "Gemini 1.5": (PublishedParts(82.8, 29.9, 65.5), PublishedParts(84.5, 25.6, 64.9)),
    "Gemini 1.5 Pro": (PublishedParts(75.0, 39.3, 63.3), PublishedParts(80.9, 31.2, 64.3)),
}
# By model and mitigation; VRTuning is vision-centric reasoning fine-tuning.
MITIGATIONS = {
    ("GPT-4V", "prompt"): PublishedParts(68.6, 42.1, 59.9),
    ("GPT-4o", "prompt"): PublishedParts(87.9, 28.4, 68.5),
    ("Gemini 1.5", "prompt"): PublishedParts(89.8, 39.4, 73.3),
    ("LLaVA-1.5-7B", "vcd"): PublishedParts(88.2, 15.3, 63.9),
    ("LLaVA-1.5-7B", "vrtuning"): PublishedParts(81.5, 17.3, 60.1),
    ("Qwen-VL-7B", "vcd"): PublishedParts(82.5, 20.1, 61.7),
    ("Qwen-VL-7B", "vrtuning"): PublishedParts(58.1, 35.6, 50.6),
    ("InstructBLIP", "vrtuning"): PublishedParts(70.6, 29.6, 56.9),
}
