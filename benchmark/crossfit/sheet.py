"""A cross-fitted evaluation as tables for a terminal of 80 columns and for Markdown, with what they mean."""

from collections.abc import Iterator

from benchmark.crossfit.figures import NO_CHOICE, CrossFit, Rate, WayFigures
from benchmark.sheets import Sheet, to_markdown
from guard.stats.certify import Unit

_REQUESTS = "harmless requests refused"
_UNITS: dict[Unit, str] = {"group": "harmless groups with a refusal", "request": _REQUESTS, "mean": _REQUESTS}


def make_sheets(found: CrossFit) -> list[Sheet]:
    """Return what came of the promises, how the choices ended, and the comparison with chance."""
    return [_realised(found), _outcomes(found), _held_out(found)]


def to_page(found: CrossFit, *, picture: str) -> str:
    """Return the evaluation as one Markdown page; `picture` is the file name of the chart beside it."""
    tables = to_markdown(f"Cross-fitted: {found.suite}", make_sheets(found))
    title, _, rest = tables.partition("\n\n")
    return f"{title}\n\nMade by `{_command(found)}`.\n\n![{describe(found)}]({picture})\n\n{rest}"


def _command(found: CrossFit) -> str:
    limits = " ".join(f"--max-false-refusal {each.limit:g}" for each in found.limits)
    shape = f"--repeats {found.repeats} --folds {found.folds} --confidence {found.confidence:g} --unit {found.unit}"
    return f"guard benchmark crossfit --suite {found.suite} --target {found.target} {limits} {shape}"


def describe(found: CrossFit) -> str:
    """Return what the chart shows, in one line."""
    parts = []
    for each in found.limits:
        ways = (("proven", each.proven), ("plain", each.plain))
        said = "; ".join(f"{name} {_percent(_promised(way, found).value)} %" for name, way in ways)
        parts.append(f"limit {100 * each.limit:g} %: {said}")
    return f"Share of {_UNITS[found.unit]}, on groups held out; {', '.join(parts)}"


def _realised(found: CrossFit) -> Sheet:
    rows = []
    for name, way in _ways(found):
        rates = [100 * rate for rate in way.repeats if rate is not None]
        promised = _promised(way, found)
        rows.append(
            (
                name,
                _percent(promised.value),
                _interval(promised),
                f"{min(rates):.1f}–{max(rates):.1f}" if rates else "–",
                f"{way.repeats_above} of {len(rates)}",
                _percent((way.by_request if found.unit == "group" else way.by_group).value),
            )
        )
    other = "requests" if found.unit == "group" else "groups"
    return Sheet(
        f"Realised elsewhere: {_UNITS[found.unit]}, %",
        ("threshold", "realised", "95 %", "repeats", "above", other),
        tuple(rows),
        (
            f"{found.bundle}: {found.n:,} pairs in {found.n_groups:,} groups ({found.n_harmless_groups:,} with "
            f"harmless pairs); {found.repeats} repeats of {found.folds} folds; confidence {_short(found.confidence)}.",
            "proven: certified as by guard calibrate. plain: the lowest threshold whose observed rate on the same rows "
            "stays within the limit, as one would set it by feel.",
            "realised: on groups that had no part in the choice, all repeats together. repeats: least and greatest. "
            "above: repeats whose rate exceeds the limit. All repeats deal the same groups anew: they agree more than "
            "new data would, and this is not the share of certificates that break. tests/promises simulates that.",
            *_left_out(found),
        ),
    )


def _outcomes(found: CrossFit) -> Sheet:
    rows = []
    for each in found.limits:
        useful, useless, none = (each.outcomes[name] for name in ("certified", "useless", "not certifiable"))
        shares = (useful, useless, none, each.outcomes[NO_CHOICE])
        rows.append(
            (
                f"at most {_short(each.limit)}",
                *map(str, shares),
                _percent(each.recall_proven),
                _with_interval(each.proven.recall),
                _percent(each.plain.recall.value),
            )
        )
    ranked = "; ".join(f"{name} {count}" for name, count in found.calibrations.items())
    return Sheet(
        f"How {found.repeats * found.folds} choices ended, and what they catch of unsafe requests, %",
        ("limit", "useful", "useless", "none", "failed", "proven", "caught", "plain"),
        tuple(rows),
        (
            "useless: certified, but a coin may catch as much. none: not certifiable with so few groups. failed: a "
            "half held one label only. proven: mean of the bounds in the certificates. caught: on groups "
            "held out, with its 95 % interval. plain: the same for plain thresholds.",
            f"Calibrations fitted: {ranked}.",
        ),
    )


def _held_out(found: CrossFit) -> Sheet:
    rows = []
    for name, way in _ways(found):
        n = way.n_choices
        by_chance = f"{way.expected_above_at_limit:.0f}" if n else "–"
        rows.append((name, str(n), str(way.choices_above), by_chance, str(way.choices_refuted)))
    return Sheet(
        "Choice by choice, each on its own fold",
        ("threshold", "choices", "above", "by chance", "refuted"),
        tuple(rows),
        (
            "above: the fold's rate exceeds the limit. by chance: in how many it would if every true rate were exactly "
            "the limit, for a fold has few groups. refuted: the fold alone rules the limit out, with the same "
            "confidence.",
        ),
    )


def _ways(found: CrossFit) -> Iterator[tuple[str, WayFigures]]:
    for each in found.limits:
        yield f"{_short(each.limit)} proven", each.proven
        yield f"{_short(each.limit)} plain", each.plain


def _promised(way: WayFigures, found: CrossFit) -> Rate:
    return way.by_group if found.unit == "group" else way.by_request


def _left_out(found: CrossFit) -> Iterator[str]:
    if found.missing_pictures:
        yield f"{found.missing_pictures} pairs have no picture here and are left out."
    if found.unjudged:
        yield (
            f"{found.unjudged} pairs could not be judged: harmless ones count as refused at every threshold, unsafe "
            "ones as let through."
        )
    if found.thinned:
        yield f"{found.thinned} pairs are left out so that all others were sampled with equal probability."


def _short(share: float) -> str:
    return f"{100 * share:g}\N{NO-BREAK SPACE}%"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _interval(rate: Rate) -> str:
    return "–" if rate.low is None or rate.high is None else f"{100 * rate.low:.1f}–{100 * rate.high:.1f}"


def _with_interval(rate: Rate) -> str:
    return "–" if rate.value is None else f"{_percent(rate.value)} ({_interval(rate)})"
