"""A threshold that somebody proposes becomes a candidate bundle. What judges is never changed from here."""

import datetime as dt
import logging
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, Field

from guard.binding import bind
from guard.bundle import Bundle, copy_bundle
from guard.errors import ProposalRefused
from guard.manifest import Manifest, OperatingPoint
from guard.server.console.desk import Desk, away, give_json, require_method
from guard.server.console.figures import WindowName
from guard.server.console.overview import policy_of
from guard.server.console.shown import Document
from guard.server.exchange import Exchange
from guard.state_folder import state_folder
from guard.store_settings import StoreSettings

ROUTE = "/guard/console/data/propose"
POINT = "proposed"
MOST_CANDIDATES = 20
_log = logging.getLogger("guard.server")


class Proposing(BaseModel, frozen=True, extra="forbid"):
    """Which threshold is proposed, and why."""

    policy: Annotated[str, Field(max_length=200)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    window: WindowName = "7d"
    why: Annotated[str, Field(max_length=500)] = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold for the bundle that judges, who proposes it, and when."""

    threshold: float
    policy: str
    by: str
    why: str
    at: dt.datetime


class Propose:
    """The door of proposals."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = ROUTE
        visitor = self._desk.access.visitor(exchange)
        require_method(exchange, "POST")
        asked = await self._desk.body(exchange, Proposing)
        with self._desk.live.taken() as generation:
            policy = policy_of(generation, asked.policy)
            at = dt.datetime.fromtimestamp(self._desk.clock(), dt.UTC)
            proposal = Proposal(asked.threshold, policy, visitor.name, asked.why, at)
            declared = generation.settings.admin.candidates
            folder = Path(declared) if declared else state_folder(os.environ) / "candidates"
            written = await away(write_candidate, generation.guard.bundle, proposal, folder)
            has_default_store = generation.settings.store == StoreSettings()
        _log.warning("console: a candidate bundle was written to %s", written)
        await give_json(exchange, _said(written, generation.guard.bundle, policy, has_default_store))


def write_candidate(bundle: Bundle, proposal: Proposal, folder: Path) -> Path:
    """Write the candidate into a folder of its own below `folder`, and return that of the bundle.

    The proposal lies beside it: the bundle's own files are all in its manifest.

    Raises:
        ProposalRefused: it cannot be written, or there are too many.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(list(folder.iterdir())) >= MOST_CANDIDATES:
            raise ProposalRefused(
                f"{folder} holds {MOST_CANDIDATES} candidates already: delete those that are done with"
            )
        own = folder / _name(proposal)
        own.mkdir(mode=0o700)
    except OSError as error:
        raise ProposalRefused(f"{folder}: {error.strerror}") from error
    try:
        written = copy_bundle(bundle, own / "bundle", manifest=_manifest(bundle, proposal))
        said = {
            "threshold": proposal.threshold,
            "policy": proposal.policy,
            "by": proposal.by,
            "why": proposal.why,
            "at": proposal.at.isoformat(timespec="seconds"),
            "from": {"bundle": bundle.label, "digest": bundle.digest},
            "candidate": {"bundle": written.label, "digest": written.digest},
        }
        (own / "proposal.json").write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2) + b"\n")
    except BaseException as error:
        shutil.rmtree(own, ignore_errors=True)
        if isinstance(error, OSError):
            raise ProposalRefused(f"{own}: {error.strerror}") from error
        raise
    return own / "bundle"


def _manifest(bundle: Bundle, proposal: Proposal) -> Manifest:
    manifest = bundle.manifest
    who = "".join(sign for sign in proposal.by if sign.isprintable())
    point = OperatingPoint(
        threshold=proposal.threshold,
        chosen_on=f"proposed by {who} on {proposal.at.date()}, in place of that of {proposal.policy}; an estimate",
        binding=bind(manifest),
    )
    return manifest.model_copy(
        update={
            "version": f"{manifest.version.partition('+')[0]}+{POINT}",
            "created": proposal.at.date().isoformat(),
            "operating_points": {**manifest.operating_points, POINT: point},
        }
    )


def _name(proposal: Proposal) -> str:
    policy = re.sub("[^A-Za-z0-9-]+", "-", proposal.policy)[:40]
    return f"{proposal.at:%Y-%m-%d}-{policy}-{proposal.threshold:.4f}-{secrets.token_hex(3)}"


def _said(written: Path, live: Bundle, policy: str, has_default_store: bool) -> Document:
    # Where decisions lie, and the keys of what was kept, only the configuration knows: its file is not known here.
    from_store = "" if has_default_store else " --config FILE"
    is_point = policy in live.manifest.operating_points
    # A policy of one's own has rules beside its threshold: it is the configuration that names its operating point.
    setting = f"policies.{policy}.operating_point: {POINT}"
    chosen = f"--policy {policy}={POINT}{from_store}" if is_point else f"--config FILE  # {setting}"
    against = policy if is_point else "POINT"
    return {
        "folder": str(written),
        "commands": [
            f"guard bundle show {written}",
            f"guard release replay --candidate {written} --days 7 {chosen}",
            f"guard review export --out PAIRS{from_store}",
            f"guard calibrate --bundle {written} --data PAIRS --unit request --max-false-refusal 0.05 --out CERTIFIED",
            f"guard release gate --candidate {written} --policy {POINT} --baseline {live.path}"
            f" --baseline-policy {against} --suites SUITES",
        ],
    }
