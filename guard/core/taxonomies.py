"""What Guard's categories are called elsewhere. What has no counterpart stays unmapped."""

from collections.abc import Mapping

# OpenAI's moderation: its 13 categories, each with those of Guard's scenarios that it is about.
OPENAI: Mapping[str, tuple[str, ...]] = {
    "harassment": ("abusive_languages",),
    "harassment/threatening": (),
    "hate": ("hate_speech", "bias_and_stereotypes"),
    "hate/threatening": (),
    "illicit": ("crime", "economic_harm"),
    "illicit/violent": (),
    "self-harm": ("self_harm",),
    "self-harm/instructions": (),
    "self-harm/intent": (),
    "sexual": ("pornography",),
    "sexual/minors": (),
    "violence": ("violence",),
    "violence/graphic": (),
}
