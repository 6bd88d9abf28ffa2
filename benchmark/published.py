"""What others scored on MMSafeAware, as published. Facts from the paper; nothing here was measured by this project."""

from dataclasses import dataclass

SOURCE = "arXiv 2502.11184 (ACL 2025), table 1; the total is the unweighted mean of the three splits"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Accuracy in percent on the whole benchmark, models asked the authors' question."""

    name: str
    typical: float
    attack: float
    over_safety: float
    total: float


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
