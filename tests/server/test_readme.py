"""The page about the server says what the server does."""

import re
from pathlib import Path

from guard.server import classify, litellm_guardrail, moderations
from guard.server.items import MAX_ITEMS
from guard.server.routes import Handling, listed
from guard.server.wire import STATUS
from guard.telemetry import CODES

PAGE = (Path(__file__).parents[2] / "guard" / "server" / "README.md").read_text(encoding="utf-8")
AT_START_ONLY = {"usage", "config_invalid", "suite_invalid", "calibration_invalid", "key_invalid"}
AT_START_ONLY |= {"bundle_invalid", "bundle_untrusted", "bundle_mismatch", "gate_not_passed", "swap_refused"}


def test_codes_of_the_page_are_those_of_the_status_table() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", PAGE, re.MULTILINE)
    shown = {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}

    assert shown == {code: status for code, status in STATUS.items() if code not in AT_START_ONLY}


def test_every_error_code_has_a_status() -> None:
    assert CODES - STATUS.keys() == {"cancelled"}


def test_every_code_of_an_unjudged_part_has_a_label_of_its_own() -> None:
    assert STATUS.keys() - CODES == {"content_filter", "guard_unavailable"}


def test_doors_and_limits_of_the_page_are_those_of_the_code() -> None:
    for door in (classify, moderations, litellm_guardrail):
        assert f"`POST {door.ROUTE}`" in PAGE
    for _, label, handling, _ in listed():
        assert handling is not Handling.JUDGED or f"`POST {label}`" in PAGE
    assert f"up to {MAX_ITEMS} items" in PAGE
