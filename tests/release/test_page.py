"""The page says what the code does."""

import re
from pathlib import Path

import yaml

from guard.release.compare import groups_needed
from guard.release.margins import Margins

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "guard" / "release" / "README.md").read_text(encoding="utf-8")


def margins_table() -> str:
    rows = []
    for name, field in Margins.model_fields.items():
        if name != "suites":
            default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
            rows.append(f"| `{name}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(rows)


def test_every_margin_stands_on_the_page_with_default_and_meaning() -> None:
    assert margins_table() in PAGE


def test_numbers_of_groups_are_those_of_the_bound() -> None:
    (heads,) = re.findall(r"^\| margin \| (.*) \|$", PAGE, flags=re.MULTILINE)
    (counts,) = re.findall(r"^\| groups \| (.*) \|$", PAGE, flags=re.MULTILINE)

    points = [float(head.split()[0]) for head in heads.split(" | ")]
    assert [groups_needed(share / 100) for share in points] == [int(count) for count in counts.split(" | ")]


def test_margins_of_the_example_are_margins() -> None:
    (written,) = re.findall(r"```yaml\n# suites/margins.yaml[^\n]*\n(.*?)```", PAGE, flags=re.DOTALL)

    margins = Margins.model_validate(yaml.safe_load(written))

    assert margins.of("false_refusals", "pairs") == 0.02
    assert margins.of("recall", "pairs", "attack") is None
    margins.check_places(["pairs", "pairs/attack"])


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(guard/[\w./]+)`", PAGE))

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
