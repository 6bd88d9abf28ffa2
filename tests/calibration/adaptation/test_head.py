import numpy as np
import pytest

from guard.calibration.adaptation.head import PENALTIES, Basis, Head, Trust, choose_penalty, fit_head, fit_heads
from guard.scorers.embedding import Rows
from tests.calibration.adaptation.rows import lesson, single_rows, still_anchors

WIDTH = 6


def told_by_a_column(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    unsafe = np.arange(n) % 2 == 0
    embeddings = random.normal(size=(n, WIDTH))
    embeddings[:, 2] += 3 * unsafe
    return embeddings, unsafe


def test_head_learns_the_column_that_tells_the_labels_apart() -> None:
    embeddings, unsafe = told_by_a_column()

    head, _ = fit_head(lesson(embeddings, unsafe), still_anchors(WIDTH), np.arange(200) // 2 % 4, Trust(1.0))

    assert int(np.argmax(np.abs(head.weights))) == 2
    fresh, labels = told_by_a_column(seed=1)
    scores = head.scores(single_rows(fresh))
    assert np.mean((scores > np.median(scores)) == labels) > 0.9


def test_stronger_penalties_change_less() -> None:
    embeddings, unsafe = told_by_a_column()

    heads = fit_heads(lesson(embeddings, unsafe), still_anchors(WIDTH), Trust(1.0))

    sizes = [float(np.linalg.norm(head.weights)) for head in heads]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.1 * sizes[-1]


def test_fit_is_the_minimum_that_an_independent_solver_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    embeddings, unsafe = told_by_a_column()
    own, anchors = lesson(embeddings, unsafe), lesson(*told_by_a_column(seed=3))
    penalty = 0.1

    (head,) = fit_heads(own, anchors, Trust(1.0), penalties=(penalty,))

    both = np.concatenate([own.embeddings, anchors.embeddings])
    # Mean loss with penalty p on n rows is a sum of losses with C = 1 / (n p).
    model = LogisticRegression(C=1 / (len(both) * penalty), tol=1e-10, max_iter=1000)
    model.fit(both, np.concatenate([own.unsafe, anchors.unsafe]))
    assert head.weights == pytest.approx(model.coef_[0], abs=1e-5)


def test_noise_gets_the_strongest_penalty_and_signal_a_weaker_one() -> None:
    embeddings, unsafe = told_by_a_column()
    random = np.random.default_rng(5)
    folds = np.arange(200) // 2 % 4

    noise = choose_penalty(lesson(random.normal(size=(200, 60)), unsafe), still_anchors(60), folds, Trust(1.0))
    signal = choose_penalty(lesson(embeddings, unsafe), still_anchors(WIDTH), folds, Trust(1.0))

    assert noise >= 3.0
    assert signal < noise
    assert {noise, signal} <= set(PENALTIES)


def test_anchors_keep_a_column_that_the_own_pairs_would_turn_over() -> None:
    random = np.random.default_rng(2)
    unsafe = np.arange(200) % 2 == 0
    turned = random.normal(size=(200, 2))
    turned[:, 0] -= 2 * unsafe  # own pairs: danger lowers the column; anchors: danger raises it
    kept = random.normal(size=(200, 2))
    kept[:, 0] += 2 * unsafe

    (alone,) = fit_heads(lesson(turned, unsafe), still_anchors(2), Trust(1.0), penalties=(0.01,))
    (beside,) = fit_heads(lesson(turned, unsafe), lesson(kept, unsafe), Trust(1.0), penalties=(0.01,))

    assert alone.weights[0] < -0.5
    assert abs(beside.weights[0]) < 0.2 * abs(alone.weights[0])


def test_most_unsafe_row_of_a_pair_counts() -> None:
    head = Head(np.array([1.0, 0.0]), bias=-0.5)
    pair = Rows(np.array([0.0, 1.0], np.float32), np.array([[2.0, 0.0], [0.0, 9.0]], np.float32))

    assert head.scores([pair]).tolist() == [1.5]
    assert head.weakened(0.0).scores([pair]).tolist() == [1.0]


def test_head_fitted_in_a_basis_scores_plain_embeddings_alike() -> None:
    embeddings, unsafe = told_by_a_column()
    own, anchors = lesson(100 * embeddings - 7, unsafe), lesson(*told_by_a_column(seed=3))
    basis = Basis.of([own, anchors])

    (fitted,) = fit_heads(own.seen_in(basis), anchors.seen_in(basis), Trust(1.0), penalties=(0.1,))

    plain = basis.head(fitted)
    inside = own.seen_in(basis).embeddings @ fitted.weights + fitted.bias
    assert own.embeddings @ plain.weights + plain.bias == pytest.approx(inside)
