"""guard/REFERENCE.md, made from the code: `python -m tests.docs.reference` writes it, a test holds it to the code."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import AnyHttpUrl, BaseModel
from pydantic.fields import FieldInfo

from guard import errors
from guard.cli import app
from guard.config import Settings
from guard.server.wire import STATUS
from guard.telemetry import Telemetry

PATH = Path(__file__).parents[2] / "guard" / "REFERENCE.md"
HEAD = """# Reference

Made from the code by `python -m tests.docs.reference`; a test fails when it is out of date.
"""


def render() -> str:
    """Return the whole page."""
    parts = [HEAD, _commands(), _settings(), _metrics(), _errors()]
    return "\n".join(parts)


def _commands() -> str:
    lines = ["## Commands", ""]
    for path, command in _walk(typer.main.get_command(app), "guard"):
        lines += [f"### `{path}`", "", (command.help or "").strip(), ""]
        rows = [_option(parameter) for parameter in command.params if parameter.name != "help"]
        lines += ["| option | meaning |", "|---|---|", *rows, ""] if rows else []
    return "\n".join(lines)


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children or command.params:
        yield path, command
    for name, child in children.items():
        yield from _walk(child, f"{path} {name}")


def _option(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = f" Default: `{parameter.default}`." if parameter.default not in (None, False, ()) else ""
    return f"| {names} | {_cell((getattr(parameter, 'help', None) or '') + default)} |"


def _settings() -> str:
    lines = ["## Settings", "", "Keys of the file that `guard serve --config` reads.", ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|", *_fields(Settings, "")]
    return "\n".join([*lines, ""])


def _fields(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield f"| `{prefix}{name}` | section | | {_cell((kind.__doc__ or '').strip().splitlines()[0])} |"
            yield from _fields(kind, f"{prefix}{name}.")
        elif (named := _named_sections(kind)) is not None:
            yield f"| `{prefix}{name}` | sections by name | | {_cell(field.description or '')} |"
            yield from _fields(named, f"{prefix}{name}.NAME.")
        else:
            default = "" if field.default is None else f"`{_plain(field.default)}`"
            yield f"| `{prefix}{name}` | {_type(field)} | {default} | {_cell(field.description or '')} |"


def _named_sections(kind: Any) -> type[BaseModel] | None:
    """Return the model of a mapping's values, None where the field is no mapping of names to sections."""
    values = get_args(kind)[-1:] if get_origin(kind) is Mapping else ()
    return next((value for value in values if isinstance(value, type) and issubclass(value, BaseModel)), None)


def _type(field: FieldInfo) -> str:
    limits = ", ".join(
        f"{sign} {value}"
        for part in field.metadata
        for key, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if (value := getattr(part, key, None)) is not None
    )
    return _cell(f"{_name(field.annotation)} {limits}".strip())


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{_plain(value)}`" for value in get_args(kind))
    if isinstance(kind, UnionType):
        return " or ".join(_name(part) for part in get_args(kind) if part is not type(None))
    if hasattr(kind, "__members__"):
        return ", ".join(f"`{_plain(value)}`" for value in kind)
    if get_origin(kind) is Mapping:
        return "values by name"
    if get_origin(kind) is tuple:
        return f"list of {_name(get_args(kind)[0])}"
    if arguments := get_args(kind):
        return _name(arguments[0])
    return {type(None): "nothing", str: "text", AnyHttpUrl: "URL"}.get(kind, getattr(kind, "__name__", str(kind)))


def _metrics() -> str:
    lines = ["## Metrics", "", "At `/metrics`.", "", "| name | kind | labels | meaning |", "|---|---|---|---|"]
    collectors = Telemetry().registry._collector_to_names
    for collector in collectors:
        for metric in getattr(collector, "describe", list)():
            if metric.name.startswith("guard_"):
                name = metric.name + ("_total" if metric.type == "counter" else "")
                labels = ", ".join(f"`{label}`" for label in getattr(collector, "_labelnames", ()))
                lines.append(f"| `{name}` | {metric.type} | {labels} | {_cell(metric.documentation)} |")
    return "\n".join([*lines, ""])


def _errors() -> str:
    lines = ["## Error codes", "", "| code | HTTP status | when |", "|---|---|---|"]
    drawn = [word for word in (errors.__doc__ or "").split() if word in errors.__all__]
    for cls in (vars(errors)[name] for name in drawn):
        when = " ".join((cls.__doc__ or "").split())
        lines.append(f"| `{cls.code}` | {STATUS.get(cls.code) or ''} | {_cell(when)} |")
    return "\n".join([*lines, ""])


def _plain(value: object) -> str:
    return str(getattr(value, "value", value))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
