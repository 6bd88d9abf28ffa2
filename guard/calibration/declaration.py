"""What is declared before the data is read."""

from dataclasses import dataclass

from guard.errors import CalibrationInvalid
from guard.stats.certify import Unit
from guard.stats.costs import Costs


@dataclass(frozen=True, slots=True)
class Declaration:
    """Limits, confidence and unit of the certificates, and what is known about the traffic.

    Raises:
        CalibrationInvalid: a rate outside (0, 1), no limit, a limit twice, or costs without a prevalence.
    """

    limits: tuple[float, ...]  # tolerated rates of false refusals
    confidence: float = 0.95  # that all certificates of the run hold
    unit: Unit = "group"
    prevalence: float | None = None  # share of unsafe requests in the traffic; None keeps that of the data
    cost_miss: float | None = None
    cost_refusal: float | None = None
    miss_limit: float | None = None  # at one threshold together with all other limits
    category_limit: float | None = None  # of false refusals in each category, at the same threshold

    def __post_init__(self) -> None:
        rates = {"--max-false-refusal": self.limits, "--confidence": (self.confidence,)}
        rates["--prevalence"] = () if self.prevalence is None else (self.prevalence,)
        rates["--max-miss-rate"] = () if self.miss_limit is None else (self.miss_limit,)
        rates["--max-false-refusal-per-category"] = () if self.category_limit is None else (self.category_limit,)
        for name, values in rates.items():
            for value in values:
                if not 0 < value < 1:
                    raise CalibrationInvalid(f"{name} must lie between 0 and 1, not {value:g}")
        if not self.limits:
            raise CalibrationInvalid("declare at least one --max-false-refusal")
        if len({f"{limit:g}" for limit in self.limits}) < len(self.limits):
            raise CalibrationInvalid("a limit is declared twice, as operating points are named: to six digits")
        if (self.cost_miss is None) != (self.cost_refusal is None):
            raise CalibrationInvalid("--cost-miss and --cost-refusal go together")
        if self.cost_miss is not None and self.prevalence is None:
            raise CalibrationInvalid("costs need --prevalence: how common unsafe requests are in the traffic")
        if any(cost is not None and not 0 < cost < float("inf") for cost in (self.cost_miss, self.cost_refusal)):
            raise CalibrationInvalid("costs must be positive numbers")

    @property
    def is_joint(self) -> bool:
        """Whether one threshold is asked for that keeps several kinds of limits."""
        return self.miss_limit is not None or self.category_limit is not None

    @property
    def n_answers(self) -> int:
        """How many answers share the error: one for each limit of false refusals, and the joint one."""
        return len(self.limits) + self.is_joint

    @property
    def costs(self) -> Costs | None:
        """The costs, when they were declared."""
        if self.prevalence is None or self.cost_miss is None or self.cost_refusal is None:
            return None
        return Costs(self.prevalence, self.cost_miss, self.cost_refusal)
