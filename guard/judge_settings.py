"""The judge who is asked for a second opinion, when, and at what expense: settings, frozen pydantic models."""

from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, Field, NonNegativeInt, PositiveInt, model_validator

from guard.policy_settings import Probability, Section
from guard.upstream_settings import Seconds, SecretReference

_Dollars = Annotated[float, Field(ge=0, le=1_000_000)]
Unavailable = Literal["block", "guard", "allow"]


class BandSettings(Section):
    """Between which probabilities the judge is asked. Every policy's threshold lies between them.

    Either `allow` and `block`, or `share`, for which the best band is chosen on what the bundle was calibrated on.
    """

    allow: Probability | None = None
    """below it the guard lets through on its own"""
    block: Probability | None = None
    """from here on the guard acts on its own"""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """largest share of the traffic that the judge is asked about; wants a bundle that `guard calibrate` wrote"""
    recall: Probability = 1.0
    """with `share`: how many of the unsafe pairs in the band the judge finds unsafe"""
    false_refusal_rate: Probability = 0.0
    """with `share`: how many of the harmless pairs in the band the judge finds unsafe"""
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """with `share`: how much of the traffic is unsafe; none takes the share among the rows of the calibration"""

    @model_validator(mode="after")
    def _is_one_band(self) -> Self:
        if (self.allow is None) != (self.block is None):
            raise ValueError("judge.band has both allow and block, or neither")
        if self.allow is not None and self.block is not None and not self.allow < self.block:
            raise ValueError(f"judge.band.allow ({self.allow}) must be below judge.band.block ({self.block})")
        if self.share is not None and self.allow is not None:
            raise ValueError("judge.band has either a share, or allow and block")
        return self

    @property
    def is_set(self) -> bool:
        """Whether there is a band."""
        return self.allow is not None or self.share is not None


class JudgeSettings(Section):
    """A slower judge for the prompts between two probabilities; the guard decides the clear cases on its own.

    The provider of `model` sees what it judges. Answers of the LLM are shown to a judge only with `answers`.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """an LLM, as litellm names it (openai/gpt-4o-mini); wants the extra `litellm`"""
    url: AnyHttpUrl | None = None
    """of its API, in place of the provider's own"""
    key: SecretReference | None = None
    """its API key: env:NAME or file:PATH; none leaves it to the variables that litellm reads for the provider"""
    vlm: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """a local model in place of an LLM: a folder, or a Hugging Face id; wants the extra `vlm`"""
    revision: str | None = None
    """commit of a Hugging Face id"""
    device: str = "cpu"
    """where the local model runs: cpu, cuda, cuda:1"""
    band: BandSettings = BandSettings()
    answers: bool = False
    """with `judge_output`: answers in the band are shown to the judge, too, each window of a streamed one by itself;
    the threshold for answers has to lie in the band as well"""
    timeout_s: Seconds = 5.0
    """for one opinion; the request waits for it"""
    on_unavailable: Unavailable = "guard"
    """what happens in the band where there is no opinion, for whatever reason: the request is blocked, decided by the
    guard's own threshold, or allowed; what a rule of the policy asks for either way holds all the same"""
    calls_per_minute: PositiveInt = 60
    """of all workers together; more get no opinion"""
    dollars_per_day: _Dollars = 10.0
    """for the LLM, in a day of UTC and by litellm's prices, of all workers together; more get no opinion. What was
    spent is not remembered over a restart or a swap of bundles"""
    dollars_per_call: _Dollars = 0.01
    """set aside for each call until its price is known, and charged where it never is"""
    max_per_request: PositiveInt = 4
    """pairs of one request that the judge is asked about, the likeliest unsafe ones; further ones get no opinion"""
    max_chars: PositiveInt = 20_000
    """of one pair's text; a longer one gets no opinion, since nothing is judged by half"""
    failures: PositiveInt = 5
    """calls in a row that failed, after which nobody is asked for `pause_s`"""
    pause_s: Seconds = 30.0
    """then one call is tried"""
    remembered: NonNegativeInt = 20_000
    """opinions, each by digest of everything that was judged"""

    @model_validator(mode="after")
    def _is_one_judge(self) -> Self:
        if self.model is not None and self.vlm is not None:
            raise ValueError("judge has either a model or a vlm")
        if self.is_set and not self.band.is_set:
            raise ValueError("judge.band: say between which probabilities the judge is asked, or a share")
        if not self.is_set and self.band.is_set:
            raise ValueError("judge.band is set, and there is no judge: set judge.model or judge.vlm")
        if self.model is None and (self.url is not None or self.key is not None):
            raise ValueError("judge.url and judge.key belong to judge.model")
        return self

    @property
    def is_set(self) -> bool:
        """Whether there is a judge."""
        return self.model is not None or self.vlm is not None
