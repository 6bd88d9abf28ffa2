"""Training stops on time, goes on where it stopped, and ends where it would have ended."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from guard.errors import UsageError
from guard.train.checkpoint import load_state, load_weights, save_weights
from guard.train.loop import Budget, Job, run, shuffled_batches


class _Stops(Budget):
    """A budget that is spent after some steps."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        super().__init__(quiet=True)
        object.__setattr__(self, "left", [steps])

    @property
    def is_spent(self) -> bool:
        self.left[0] -= 1  # type: ignore[attr-defined]
        return bool(self.left[0] <= 0)  # type: ignore[attr-defined]


def job(seed: int = 0, fingerprint: str = "f") -> Job:
    torch.manual_seed(seed)
    x, y = torch.randn(64, 4), torch.randn(64, 1)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))

    def loss(index: NDArray[np.int64]) -> Any:
        return ((module(x[index]) - y[index]) ** 2).mean()

    def batches(epoch: int) -> list[NDArray[np.int64]]:
        return shuffled_batches(np.full(64, 5), size=8, seed=3, epoch=epoch)

    return Job("test", module, [{"params": list(module.parameters()), "lr": 0.01}], 5, batches, loss, fingerprint)


def test_a_run_that_was_stopped_twice_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    whole, parts = job(), job()
    assert run(whole, tmp_path / "whole", Budget(quiet=True), seed=1)

    assert not run(parts, tmp_path / "parts", _Stops(7), seed=1)
    parts = job()
    assert not run(parts, tmp_path / "parts", _Stops(15), seed=1)
    parts = job()
    assert run(parts, tmp_path / "parts", Budget(quiet=True), seed=1)

    assert parts.losses == whole.losses
    for a, b in zip(whole.module.parameters(), parts.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_loss_falls_and_the_same_seed_repeats_it(tmp_path: Path) -> None:
    first, second = job(), job()
    run(first, tmp_path / "a", Budget(quiet=True), seed=1)
    run(second, tmp_path / "b", Budget(quiet=True), seed=1)

    assert first.losses == second.losses
    assert np.mean(first.losses[-8:]) < np.mean(first.losses[:8])


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    run(job(), tmp_path, Budget(quiet=True), seed=1)
    again = job()

    assert run(again, tmp_path, _Stops(1), seed=1)
    assert len(again.losses) == 40


def test_a_state_of_other_data_or_settings_is_refused_and_stays(tmp_path: Path) -> None:
    assert run(job(), tmp_path, Budget(quiet=True), seed=1)
    before = (tmp_path / "state.pt").read_bytes()

    with pytest.raises(UsageError, match=r"state\.pt: the test was trained from other data or settings"):
        run(job(fingerprint="other"), tmp_path, Budget(quiet=True), seed=1)

    assert (tmp_path / "state.pt").read_bytes() == before


def test_quiet_training_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(job(), tmp_path, Budget(quiet=True), seed=1)

    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"not a state")
    with pytest.raises(UsageError, match=r"state\.pt"):
        load_state(tmp_path / "state.pt")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", torch.nn.Linear(3, 3))
    with pytest.raises(UsageError, match=r"w\.safetensors"):
        load_weights(tmp_path / "w.safetensors", torch.nn.Linear(4, 4))


def test_every_row_is_in_exactly_one_batch_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 128, 1000)

    batches = shuffled_batches(lengths, size=16, seed=0, epoch=0)

    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    spread = np.mean([np.ptp(lengths[batch]) for batch in batches])
    assert spread < 20
    assert [b.tolist() for b in batches] != [b.tolist() for b in shuffled_batches(lengths, size=16, seed=0, epoch=1)]
