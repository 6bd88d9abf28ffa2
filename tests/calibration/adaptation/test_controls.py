import numpy as np

from guard.calibration.adaptation.controls import IMAGE_ONLY, SHUFFLED, TEXT_ONLY, WHOLE, Compared, compare
from guard.calibration.adaptation.outcome import blind_sentence

RANDOM = np.random.default_rng(0)
UNSAFE = np.arange(400) % 2 == 0
GROUPS = [f"group {number // 2}" for number in range(400)]


def noisy(signal: float) -> np.ndarray:
    return np.asarray(signal * UNSAFE + RANDOM.normal(size=400))


def compared(whole: float, text: float) -> Compared:
    start = noisy(0.0)
    scores = {WHOLE: (start, noisy(whole)), TEXT_ONLY: (start, noisy(text))}
    scores |= {IMAGE_ONLY: (start, noisy(0.0)), SHUFFLED: (start, noisy(text / 2))}
    return compare(scores, UNSAFE, GROUPS, n_both=400)


def test_gain_that_the_text_alone_gets_too_is_said_to_be_blind() -> None:
    found = compared(whole=2.0, text=2.0)

    assert found.blind_gain == "same"
    assert found.best_blind == TEXT_ONLY
    sentence = blind_sentence(found)
    assert sentence.startswith("A blind model gets the same gain: adapted in the same way on text only")
    assert "how the labels of this data follow its wording, not what text and picture mean together" in sentence


def test_gain_that_needs_both_halves_is_not() -> None:
    found = compared(whole=2.5, text=0.5)

    assert found.blind_gain == "less"
    assert blind_sentence(found).startswith("A blind model does not get the same gain")
    ahead = found.rows[TEXT_ONLY].ahead
    assert ahead is not None
    assert ahead.low is not None
    assert ahead.low > 0
    assert found.whole.ahead is None


def test_few_pairs_cannot_tell_what_a_blind_model_gets() -> None:
    # Whole pairs rank perfectly, and the text alone misplaces one unsafe pair of twelve: that may be chance.
    places = np.arange(24, dtype=np.float64)
    unsafe = places < 12
    perfect = 1.0 * unsafe
    scores = {WHOLE: (places % 5, perfect), TEXT_ONLY: (places % 5, np.where(places == 0, -1.0, perfect))}

    found = compare(scores, unsafe, [str(place) for place in places], n_both=24)

    assert found.blind_gain == "unknown"
    assert blind_sentence(found).startswith("These pairs cannot tell whether a blind model gets the same gain")


def test_pairs_without_pictures_have_nothing_to_be_blind_to() -> None:
    found = compare({WHOLE: (noisy(0.0), noisy(2.0))}, UNSAFE, GROUPS, n_both=0)

    assert found.best_blind is None
    assert found.blind_gain == "unknown"
    assert blind_sentence(found).startswith("No pairs hold both a text and a picture")


def test_too_few_pairs_with_pictures_are_not_called_none() -> None:
    found = compare({WHOLE: (noisy(0.0), noisy(2.0))}, UNSAFE, GROUPS, n_both=19)

    assert blind_sentence(found).startswith("Only 19 pairs hold both a text and a picture")
