"""What tuning on reasoning traces is worth on pairs held out: `python -m tests.train.vrtuning_trial`."""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from guard.mllm.answers import read_answer
from guard.mllm.loading import open_local
from guard.mllm.questions import Question, Style
from guard.train.loop import Budget
from guard.train.traces import read_traces
from guard.train.vrtuning import Tuning, tune
from guard.train.vrtuning_examples import Lesson
from tests.train.tiny_world import all_pairs, make_tiny_llava, write_world

TUNING = Tuning(epochs=30, rate=4e-3, rank=16, batch=32, dropout=0.0)
LESSONS = {
    "pictures and reasoning": Lesson(),
    "pictures, answers alone": Lesson(reasoning=False),
    "answers alone, no pictures": Lesson(pictures=False, reasoning=False),
}


def held_out_accuracy(
    folder: Path, name: str, *, each: int = 12, tuning: Tuning = TUNING, trial_each: int = 3
) -> tuple[int, int]:
    """Tune the tiny model as a lesson says; return how many held-out pairs it then answers rightly, and of how many.

    It is asked as `guard benchmark run` asks: with the picture, except where it never saw one, by the strict reading.
    """
    lesson = LESSONS[name]
    base = folder / "base"
    if not base.is_dir():
        make_tiny_llava(base)
        write_world(folder / "taught", all_pairs(held_out=False), each=each, seed=1)
        write_world(folder / "asked", all_pairs(held_out=True), each=trial_each, seed=2)
    out = folder / name.replace(" ", "-")
    traces = folder / "taught" / "traces.jsonl"
    assert tune(str(base), traces, out, replace(tuning, lesson=lesson), Budget(quiet=True))
    model, _ = open_local(str(out))
    rows = read_traces(folder / "asked" / "traces.jsonl").rows
    right = 0
    for row in rows:
        pictures = (row.picture.read_bytes(),) if lesson.pictures else ()
        said = read_answer(model.answer(Question(row.prompt), pictures, max_tokens=24).text, Style.YES_NO)
        right += said.strict is not None and said.strict == (row.answer == "No")
    return right, len(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=TUNING.epochs)
    parser.add_argument("--rate", type=float, default=TUNING.rate)
    parser.add_argument("--rank", type=int, default=TUNING.rank)
    parser.add_argument("--each", type=int, default=12, help="pictures of a pair in training")
    parser.add_argument("--seed", type=int, default=TUNING.seed)
    given = parser.parse_args()
    tuning = replace(TUNING, epochs=given.epochs, rate=given.rate, rank=given.rank, seed=given.seed)
    print("| tuned on | right of the pairs held out |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in LESSONS:
            start = time.process_time()
            right, count = held_out_accuracy(Path(folder), name, each=given.each, tuning=tuning)
            print(f"| {name} | {right} of {count} ({right / count:.0%}) |", flush=True)
            print(f"{name}: {time.process_time() - start:.0f} s of CPU", file=sys.stderr)


if __name__ == "__main__":
    main()
