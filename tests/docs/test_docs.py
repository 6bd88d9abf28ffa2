"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from tests.docs import reference

ROOT = Path(__file__).parents[2]
_FOLDERS = ("guard", "benchmark", "examples", "integrations", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in _FOLDERS for page in (ROOT / folder).rglob("*.md"))])


def test_reference_page_is_what_the_code_says() -> None:
    assert reference.PATH.read_text(encoding="utf-8") == reference.render(), "run: python -m tests.docs.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_path_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    paths = re.findall(r"`((?:guard|benchmark|integrations|examples|tests)/[\w./-]*)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists() and not (page.parent / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_a_page_leads_to_one_of_its_headings(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    lost = [f"{file}#{place}" for file, place in links if place not in _places(page.parent / file if file else page)]
    assert lost == []


def _places(page: Path) -> set[str]:
    """Return what may stand behind the # of a link to a page, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_of_the_readme_exists() -> None:
    known = set(re.findall(r"^### `(guard [a-z ]+)`", reference.render(), flags=re.MULTILINE))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(guard [a-z ]+)`", readme, flags=re.MULTILINE))
    assert named
    assert named - known == set()


def test_every_setting_has_a_description() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| .+ \| .* \|  \|$", reference.render(), flags=re.MULTILINE)
    assert rows == []
