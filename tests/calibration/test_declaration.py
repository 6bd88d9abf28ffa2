import pytest

from guard.calibration import Declaration
from guard.errors import CalibrationInvalid


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limits": ()}, "at least one"),
        ({"limits": (0.0,)}, "--max-false-refusal must lie between 0 and 1, not 0"),
        ({"limits": (0.05, 1.5)}, "--max-false-refusal must lie between 0 and 1, not 1.5"),
        ({"limits": (float("nan"),)}, "--max-false-refusal"),
        ({"limits": (0.05, 0.05)}, "declared twice"),
        ({"limits": (0.2, 0.2000001)}, "declared twice"),
        ({"limits": (0.05,), "confidence": 1.0}, "--confidence"),
        ({"limits": (0.05,), "prevalence": 0.0}, "--prevalence"),
        ({"limits": (0.05,), "prevalence": 0.1, "cost_miss": 1.0}, "go together"),
        ({"limits": (0.05,), "cost_miss": 1.0, "cost_refusal": 1.0}, "costs need --prevalence"),
        ({"limits": (0.05,), "prevalence": 0.1, "cost_miss": -1.0, "cost_refusal": 1.0}, "positive"),
    ],
)
def test_impossible_declarations_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(CalibrationInvalid, match=message):
        Declaration(**given)  # type: ignore[arg-type] # the cases mix types


def test_costs_are_there_when_all_of_them_were_declared() -> None:
    assert Declaration((0.05,), prevalence=0.1).costs is None
    costs = Declaration((0.05,), prevalence=0.1, cost_miss=5.0, cost_refusal=1.0).costs

    assert costs is not None
    assert costs.of(recall=0.5, false_refusal_rate=0.1) == pytest.approx(0.1 * 0.5 * 5 + 0.9 * 0.1)
