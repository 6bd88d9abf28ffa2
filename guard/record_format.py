"""One record of a release gate as bytes: canonical JSON, so that a signature covers the one spelling that is read."""

import json
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ValidationError, model_validator

from guard.errors import BundleInvalid
from guard.manifest import Printed, Probability, Sha256

MOST_BYTES = 4_000_000

Outcome: TypeAlias = Literal["passed", "failed", "cannot_tell"]
Provider: TypeAlias = Literal["cpu", "cuda", "tensorrt"]


def _ascending(providers: tuple[Provider, ...]) -> tuple[Provider, ...]:
    if list(providers) != sorted(set(providers)):
        raise ValueError("must ascend")
    return providers


class Written(BaseModel, frozen=True, extra="forbid"):
    """A record as it is stored. Format 1, of earlier Guards, does not say at which threshold the candidate was."""

    format: Literal[1, 2] = 2
    manifest_sha256: Sha256
    baseline_sha256: Sha256
    verdict: Outcome
    created: AwareDatetime
    operating_point: Printed | None = None
    threshold: Probability | None = None
    providers: Annotated[tuple[Provider, ...], AfterValidator(_ascending)] = ()
    document: dict[str, Any]

    @model_validator(mode="after")
    def _format_fits(self) -> "Written":
        given = {value is not None for value in (self.operating_point, self.threshold)}
        if given != {self.format == 2} or (self.providers and self.format == 1):
            raise ValueError("format 2 has operating_point and threshold, format 1 has neither")
        return self


def to_bytes(fields: Mapping[str, object]) -> bytes:
    """Return the canonical JSON of a record, from the fields of `Written`.

    Raises:
        BundleInvalid: it holds what is not JSON (a NaN, a date), or more than 4 MB.
    """
    try:
        written = Written.model_validate(fields)
        left_out = {"created", "document", *(["providers"] if written.format == 1 else [])}
        document: dict[str, object] = written.model_dump(exclude=left_out, exclude_none=True)
        document["created"] = written.created.astimezone(UTC).isoformat()
        document["document"] = written.document
        json.dumps(document, allow_nan=False)  # refuses what orjson writes as something else: NaN, dates
        content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except ValidationError as error:
        raise BundleInvalid(f"no record: {_first_fault(error)}") from error
    except (ValueError, TypeError) as error:
        raise BundleInvalid(f"a record that JSON cannot hold: {str(error).splitlines()[0]}") from error
    if len(content) > MOST_BYTES:
        raise BundleInvalid(f"a record of {len(content):,} bytes, limit is {MOST_BYTES:,}")
    return content


def from_bytes(content: bytes, path: Path) -> Written:
    """Return the record in the bytes of a file. Raises BundleInvalid with the file's name: damaged."""
    try:
        parsed = orjson.loads(content)
        # Any other spelling could hide something: a key that occurs twice, a number that reads as another one.
        if orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS) != content:
            raise BundleInvalid(f"{path}: damaged: not canonical JSON")
        return Written.model_validate(parsed)
    except orjson.JSONDecodeError as error:
        raise BundleInvalid(f"{path}: damaged: not JSON") from error
    except orjson.JSONEncodeError as error:
        raise BundleInvalid(f"{path}: damaged: nested too deeply") from error
    except ValidationError as error:
        raise BundleInvalid(f"{path}: damaged: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'top level'}: {first['msg']}"
