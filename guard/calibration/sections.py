"""Sections of the report that stand for themselves: a point in detail, pairs to look at, what an adaptation came to."""

from collections.abc import Iterable, Sequence

from guard.calibration.adaptation import Adaptation
from guard.calibration.adaptation.controls import WHOLE
from guard.calibration.adaptation.outcome import between, ranges
from guard.calibration.charts import interval_bar
from guard.calibration.figures import Figures, Slice
from guard.calibration.nearest import Near
from guard.calibration.shown import escape
from guard.calibration.words import interval, percent
from guard.suites import Label

_MOST_CHARS = 220


def near_section(pairs: Sequence[Near], name: str) -> str:
    """Return the pairs nearest to the threshold of the point `name`, as cards."""
    cards = "".join(map(_card, pairs))
    return (
        f"<h2>Pairs nearest to {escape(name)}</h2>"
        '<p class="muted">Half B, one pair of each group, the most probable first. A ✓ agrees with the label, a ✗ does '
        "not. Read them before you trust the labels, or the guard.</p>"
        f'<div class="near">{cards}</div>'
    )


def _card(near: Near) -> str:
    text = near.pair.text
    shown = text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"
    pictures = "".join(f'<img src="{url}" alt="picture of pair {escape(near.pair.id)}">' for url in near.thumbnails)
    hidden = len(near.pair.pictures) - len(near.thumbnails)
    rest = f'<p class="muted">{hidden} picture{"s" if hidden > 1 else ""} not shown</p>' if hidden else ""
    label = "unsafe" if near.pair.is_unsafe else "harmless"
    done = "refused" if near.is_refused else "let through"
    return (
        f'<article class="{"right" if near.is_right else "wrong"}"><p><b>{"✓" if near.is_right else "✗"} {label}, '
        f"{done}</b> at {percent(near.probability, 2)}</p>{pictures}{rest}"
        f"<p>{escape(shown) or '<i>no text</i>'}</p><p class='muted'><code>{escape(near.pair.id)}</code></p></article>"
    )


def adaptation_section(adaptation: Adaptation) -> str:
    """Return what was fitted, beside its controls."""
    rows = [
        f"<td>{escape(name)}</td>"
        f'<td class="number">{ranges(row.before)}</td><td class="number">{ranges(row.after)}</td>'
        f'<td class="number">{between(row.gain)}</td>'
        f'<td class="number">{"" if row.ahead is None or name == WHOLE else between(row.ahead)}</td>'
        for name, row in adaptation.compared.rows.items()
    ]
    head = (
        '<th>seen of the pairs</th><th class="number">AUC before</th><th class="number">AUC adapted</th>'
        '<th class="number">gain over the guard before</th><th class="number">whole pairs ahead by</th>'
    )
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in adaptation.sentences())
    return (
        f'<h2>Adapted to {escape(adaptation.suite.name)}</h2><div class="note"><ul>{sentences}</ul></div>'
        f"<p class='muted'>Controls: the same adaptation on the same {adaptation.compared.n_pairs:,} pairs, by models "
        "that do not see all of them. Every pair is scored by a head that never saw its group.</p>"
        f"{table(head, rows)}"
    )


def slices_section(figures: Figures, name: str, kind: str) -> str:
    """Return what the point `name` of some kind refuses of every split, scenario and attack."""
    head = (
        '<th></th><th class="number wide">pairs</th><th class="number">groups</th><th class="number">refused</th>'
        '<th aria-label="interval"></th>'
    )
    groups = {"split": figures.splits, "scenario": figures.scenarios, "attack": figures.attacks}
    rows: list[str] = []
    for group, slices in groups.items():
        for label, wording in ((Label.UNSAFE, "unsafe: should be refused"), (Label.SAFE, "harmless: should pass")):
            found = [row for row in slices if row.label is label]
            if found:
                rows.append(f'<th colspan="5">By {group}, {wording}</th>')
                rows += [_slice(row) for row in found]
    return (
        f"<h2>At {escape(name)}, in detail</h2>"
        f'<p class="muted">Half B at threshold {figures.threshold:.4g} ({escape(kind)}).</p>'
        f"{table(head, rows)}"
    )


def _slice(row: Slice) -> str:
    return (
        f'<td>{escape(row.name.replace("_", " "))}</td><td class="number wide">{row.n}</td>'
        f'<td class="number">{row.n_groups}</td><td class="number">{interval(row.refused)}</td>'
        f"<td>{interval_bar(row.refused, 'unsafe' if row.label is Label.UNSAFE else 'harmless')}</td>"
    )


def table(head: str, rows: Iterable[str]) -> str:
    """Return rows of cells as a table that scrolls sideways where it must."""
    header = f"<thead><tr>{head}</tr></thead>" if head else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table>{header}<tbody>{body}</tbody></table></div>'
