"""Suites and bundles made for these tests: words and colours decide, and each bundle has one fault."""

import json
from collections.abc import Callable
from pathlib import Path

from guard.bundle import Bundle, copy_bundle, write_manifest
from guard.manifest import OperatingPoint
from tests.benchmark.drawn_suites import BLUE, GREEN, draw_picture, write_pack
from tests.tiny_bundle import ACT_WORDS, HARMFUL_WORDS, HARMLESS_WORDS, make_tiny_bundle

UNKNOWN_WORD = "weapon"  # the baseline does not know it


def draw_suite(folder: Path, *, n_harmless: int, n_unsafe: int, n_texts: int = 0) -> Path:
    """Write a pack of pairs with pictures, each a group: acts beside green are unsafe, beside blue they are safe.

    Args:
        folder: new.
        n_harmless: pairs of an act and a blue picture.
        n_unsafe: pairs of an act and a green picture.
        n_texts: unsafe pairs that their text alone gives away, by a word that the baseline does not know.
    """
    rows: list[dict[str, object]] = []
    for number in range(n_harmless + n_unsafe + n_texts):
        act = ACT_WORDS[number % len(ACT_WORDS)]
        unsafe, by_text = number >= n_harmless, number >= n_harmless + n_unsafe
        draw_picture(folder / f"{number}.png", GREEN if unsafe and not by_text else BLUE, mark=number)
        text = f"how to make a {UNKNOWN_WORD} {number}" if by_text else f"please {act} the picture {number}"
        row = {"id": f"p{number}", "text": text, "image": f"{number}.png", "group": f"g{number}", "split": "pairs"}
        rows.append({**row, "label": "unsafe" if unsafe else "safe"})
    return write_pack(folder, rows)


def write_texts(folder: Path, *, n_harmless: int, n_unsafe: int) -> Path:
    """Write a pack of texts without pictures, each a group."""
    rows: list[dict[str, object]] = []
    for number in range(n_harmless + n_unsafe):
        words = [HARMLESS_WORDS[number % len(HARMLESS_WORDS)], HARMLESS_WORDS[number // 13 % len(HARMLESS_WORDS)]]
        words += [HARMFUL_WORDS[number % 6]] if number >= n_harmless else []
        label = "unsafe" if number >= n_harmless else "safe"
        rows.append({"id": f"t{number}", "text": f"{' '.join(words)} {number}", "label": label, "group": f"g{number}"})
    return write_pack(folder, rows)


def make_baseline(folder: Path) -> Bundle:
    """Write the bundle that is live: it sees pictures, and lacks a word."""
    bundle = make_tiny_bundle(folder)
    return with_tokens(bundle, lambda tokens: {("weapöns" if w == UNKNOWN_WORD else w): i for w, i in tokens.items()})


def moved_threshold(live: Bundle, folder: Path, threshold: float) -> Bundle:
    """Write the live bundle with another threshold at "balanced"."""
    point = OperatingPoint(threshold=threshold, chosen_on="nothing: fixed by hand")
    points = {**live.manifest.operating_points, "balanced": point}
    return copy_bundle(
        live, folder, manifest=live.manifest.model_copy(update={"operating_points": points, "version": "0.0+moved"})
    )


def blind(folder: Path) -> Bundle:
    """Write a bundle of another model, to which all pictures are alike; it knows the word that the live one lacks."""
    bundle = make_tiny_bundle(folder, seed=1)
    (folder / "names.txt").write_text("thing\n" * 3)
    return write_manifest(folder, bundle.manifest)


def swapped_tokenizer(live: Bundle, folder: Path) -> Bundle:
    """Write the live bundle with the tokenizer of another model: the same words, at other places."""
    copy = copy_bundle(live, folder, manifest=live.manifest)
    swap = {"bomb": "hello", "hello": "bomb", "eat": "cat", "cat": "eat", "taste": "weather", "weather": "taste"}
    return with_tokens(copy, lambda tokens: {swap.get(word, word): place for word, place in tokens.items()})


def with_tokens(bundle: Bundle, change: Callable[[dict[str, int]], dict[str, int]]) -> Bundle:
    """Rewrite the vocabulary of a bundle in place, and return the bundle with its new digest."""
    path = bundle.path / "tokenizer.json"
    document = json.loads(path.read_text())
    document["model"]["vocab"] = change(document["model"]["vocab"])
    path.write_text(json.dumps(document))
    return write_manifest(bundle.path, bundle.manifest)
