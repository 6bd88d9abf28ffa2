"""The model card of a bundle, generated from its report: from what, how, how well, and what it cannot do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guard.train.hub import DEFAULT
from guard.train.lineage import runs_of

_GLOSSED = (
    "- Words of other languages are looked up under their English gloss, by the glossaries in `guard/train/own`: what "
    "the judge learnt of a word holds in all of them. It reads such texts word by word, and words that English has as "
    "English."
)
_LIMITS = """\
## What it cannot do, and must not be used for

- It is small. Slang it never met, irony and long-winded intent are mostly beyond it; languages as in the table above.
- It sees a picture as a few names from a closed list (see the naming figures) and cannot read faces, signs or events
  from it. It hardly knows what its pictures lack: no hate symbols, hardly any nudity, drugs, blood or documents.
- Writing in a picture counts only as far as OCR reads it; what the writing gate misses is not read.
- On wordings and things that it never met, what text and picture mean together is far from reliable: read the lines
  `pairs_*` above beside their text-alone and picture-alone controls.
- It was taught by a few people's idea of harm, in texts written for this purpose, many of them by a language model.
  Words for groups of people stand on both sides in them, but not equally for every group: expect bias, measure yours.
- Scenario outputs that few texts taught (mental stress, copyright, pornography) are weak.
- Thresholds are estimates on everyday use as this project imagines it. For your own traffic: `guard calibrate`.
- It is no judge of people: not for scoring, reporting or punishing anyone, nor for legal or medical decisions, and no
  substitute for the safety work of the model behind it.
"""


def write_card(path: Path, report: Mapping[str, Any]) -> None:
    """Write the card of a bundle from its report."""
    run = report["run"]
    parts = [
        "# Guard's embedded model\n" if "vision_backbone" not in run else "# A guard with a pretrained dual encoder\n",
        "Judges picture-prompt pairs sent to a multimodal LLM: raw scores for unsafe, 14 scenarios and 5 ways of "
        "wrapping a request. A vision tower names what a picture shows; a judge reads the prompt beside these names "
        f"and the writing in the picture. {_licence(run)}\n",
        _made_of(run),
        _how(run, report),
        _figures(report),
        _languages(report["languages"]),
        _failures(report["failures"]),
        _LIMITS,
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _licence(run: Mapping[str, Any]) -> str:
    pretrained = [run["backbone"]] if run["backbone"] != DEFAULT else []
    pretrained += [run["vision_backbone"]["backbone"]] if "vision_backbone" in run else []
    if not pretrained:
        return "Licence of the weights: Apache-2.0."
    return f"The weights stand under the licence of {' and '.join(f'`{name}`' for name in pretrained)} too: look it up."


def _made_of(run: Mapping[str, Any]) -> str:
    texts = run["texts"]
    lines = [
        "## Made of",
        "",
        f"Text encoder: `{run['backbone']}`{' (all-MiniLM-L6-v2, Apache-2.0)' if run['backbone'] == 'minilm' else ''}, "
        f"SHA-256 `{run['backbone_sha256'][:16]}…`. "
        f"Profile `{run['profile']}`, seed {run['seed']}.",
        "",
        f"Texts: {texts['train']:,} rows trained on, {texts['held_out']:,} held out, {texts['everyday']:,} of everyday "
        "use held out for the thresholds. Prompts and acts of this project are in the package (`guard/train/own`).",
        "",
        "| source | licence class | use | rows |",
        "|---|---|---|--:|",
    ]
    for name, source in run["sources"].items():
        rows = source["rows"] if source["use"] == "train" else "–"
        lines.append(f"| {name} | {source['licence']} | {source['use']} | {rows} |")
    pictures = run["pictures"]
    named = ", ".join(f"{name} ({count:,})" for name, count in sorted(pictures["sources"].items()))
    lines += [
        "",
        f"Pictures ({sum(pictures['sources'].values()):,}; a tenth of the groups held out; labels' SHA-256 "
        f"`{pictures['sha256'][:16]}…`): {named}. Several of these collections allow research use of the pictures only "
        "or state no licence; the pictures are not part of this package.",
        "",
    ]
    return "\n".join(lines)


def _how(run: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    scale = run["scale"]
    return "\n".join(
        [
            "## How",
            "",
            f"- Judge: {_epochs(scale['text_rounds'])} of fine-tuning with mean pooling; each round ends with the mean "
            f"of the weights of {scale['judges']} that began alike and saw the rows in other orders. {_kept(run)}The "
            "picture is a second segment: names, with the doubts of a small vision tower made up, and writing. Squares "
            "of pairs teach it to combine: every text and every thing stands on both sides of the label.",
            *([_GLOSSED] if run["backbone"] == DEFAULT else []),
            _vision(run, report["vision"]["parameters"]),
            *_gone_on(run),
            *(f"- {remark}" for remark in run.get("remarks", ())),
            f"- Stored as {report['precision']}, {report['weights_bytes'] / 1e6:.1f} MB of weights.",
            "",
        ]
    )


def _kept(run: Mapping[str, Any]) -> str:
    return f"The first mean takes in that of {run['from']['name']} too. " if run["scale"].get("with_start") else ""


def _gone_on(run: Mapping[str, Any]) -> list[str]:
    """Return a line for each run before this one, which that one's bundle ended."""
    lines = []
    for before in runs_of(run)[:-1]:
        learnt, since = (
            {name: of for name, of in one["sources"].items() if of["use"] == "train"} for one in (before, run)
        )
        others = [f"{name} ({of['licence']})" for name, of in learnt.items() if name not in since]
        scale, pictures = before["scale"], before["pictures"]
        lines.append(
            f"- Goes on from {before['name']} (digest `{before['digest'][:12]}`) as that bundle stores it: its "
            f"judge ({_epochs(scale['text_rounds'])}; {scale['judges']} judges a round) and its vision tower"
            + (f"; trained on {', '.join(others)} as well" if others else "")
            + (f"; its tower saw {sum(pictures['sources'].values()):,} pictures" if pictures != run["pictures"] else "")
            + ("; it read other languages by other glossaries" if _glossaries(before) != _glossaries(run) else "")
            + "."
        )
        lines += [f"- {before['name']}: {remark}" for remark in before.get("remarks", ())]
    return lines


def _glossaries(run: Mapping[str, Any]) -> dict[str, str]:
    return {name: digest for name, digest in run["own_sha256"].items() if name.startswith("glossary/")}


def _epochs(rounds: Sequence[Mapping[str, Any]]) -> str:
    each = [
        f"{one['epochs']} epoch{'s' * (one['epochs'] > 1)}"
        + (f" over {one['share']:.0%} of the rows" if one.get("share", 1) < 1 else "")
        for one in rounds
    ]
    return " and then ".join(each)


def _vision(run: Mapping[str, Any], parameters: int) -> str:
    size = f"{parameters / 1e6:.1f} M parameters"
    if "vision_backbone" not in run:
        epochs = _epochs(runs_of(run)[0]["scale"]["vision_rounds"])
        return (
            f"- Vision tower: {size} from scratch, {epochs} on CPU, {run['image_size']} "
            "pixels, drawn to the frozen text embeddings of its labels (LiT); a second output tells writing, taught on "
            "drawn pictures."
        )
    dual = run["vision_backbone"]
    return (
        f"- Vision tower: `{dual['backbone']}` ({dual['kind']}, SHA-256 `{dual['sha256'][:16]}…`), {size}, frozen, "
        f"{run['image_size']} pixels, the whole picture squeezed. It names by cosines with its own text tower's "
        "embeddings of the labels; a linear head on its features tells writing."
    )


def _figures(report: Mapping[str, Any]) -> str:
    lines = [
        "## How well",
        "",
        "Share [95 % group-bootstrap interval] at the balanced threshold; scored by the shipped graphs as in serving. "
        "`everyday` chose the thresholds, so its false alarms are so by construction. `adversarial` are texts that "
        "were written around what an earlier guard got wrong or was unsure of; everyday ones among them stand there, "
        "and not in `everyday`. The intervals hold what other test groups would change, not another seed or another "
        "choice of the threshold.",
        "",
        "| set | rows | groups | recall | false alarms | AUC | AUC text alone | AUC picture alone |",
        "|---|--:|--:|---|---|---|---|---|",
    ]
    for name, row in report["figures"].items():
        keys = ("recall", "false_alarms", "auc", "auc_text_alone", "auc_image_alone")
        lines.append(
            f"| {name} | {row['n']} | {row['n_groups']} | {' | '.join(_shown(row.get(key)) for key in keys)} |"
        )
    lines += ["", "| pictures held out | n | figure |", "|---|--:|---|"]
    naming, writing = report["vision"]["naming"], report["vision"]["writing"]
    for kind in (kind for kind in naming if kind != "classes"):
        for key in ("top1", "top5"):
            row = naming[kind]
            lines.append(f"| {kind}, {key}, zero-shot of {naming['classes']} | {row['n']} | {_shown(row[key])} |")
    for hazard, row in report["vision"].get("hazards", {}).items():
        lines.append(f"| photographs of {hazard} named like one | {row['n']} | {_shown(row['recall'])} |")
    for name in (name for name in writing if name != "gate"):
        row = writing[name]
        lines.append(f"| {name.replace('_', ' ')}, gate {writing['gate']} | {row['n']} | {_shown(row['share'])} |")
    parity = report["parity"]
    flipped = ", ".join(f"{name} {count}" for name, count in parity["verdicts_flipped"].items())
    lines += ["", f"Verdicts that differ from full precision, of {parity['compared_with_fp32']}: {flipped}.", ""]
    if "gpu" in parity:
        moved = ", ".join(f"{name} {count}" for name, count in parity["gpu"]["verdicts_flipped"].items())
        lines += [
            f"Verdicts of the graphs for GPUs that differ from those above ({parity['gpu']['ran_on']}): {moved}.",
            "",
        ]
    lines.append("| point | threshold | chosen on |")
    lines.append("|---|--:|---|")
    lines += [
        f"| {name} | {point['threshold']:.4f} | {point['chosen_on']} |"
        for name, point in report["operating_points"].items()
    ]
    return "\n".join([*lines, ""])


def _languages(languages: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "## Languages",
        "",
        "Own prompts held out, at the balanced threshold. Supported: at least 80 % of what is unsafe is found.",
        "",
        "| language | own prompts | tokens unknown | rows | groups | recall | false alarms | supported |",
        "|---|--:|--:|--:|--:|---|---|---|",
    ]
    words = {True: "yes", False: "**no**", None: "not measured"}
    for name, row in languages.items():
        measured = " | ".join(_shown(row.get(key)) for key in ("recall", "false_alarms"))
        counts = f"{row['prompts']:,} | {row['unknown_tokens']:.1%} | {row.get('n', 0)} | {row.get('n_groups', 0)}"
        lines.append(f"| {name} | {counts} | {measured} | {words[row['supported']]} |")
    return "\n".join([*lines, ""])


def _failures(failures: Mapping[str, Mapping[str, list[Mapping[str, Any]]]]) -> str:
    lines = ["## Where it is wrong", "", "The worst on this project's own held-out texts, by set.", ""]
    for name, kinds in failures.items():
        for kind, examples in kinds.items():
            for example in examples:
                beside = f" beside a picture of {example['shows']}" if example["shows"] else ""
                text = " ".join(example["text"].split())
                lines.append(f"- {name}, {kind} ({example['probability']:.2f}): \u201c{text}\u201d{beside}")
    return "\n".join([*lines, ""])


def _shown(value: list[float | None] | None) -> str:
    if value is None or value[0] is None:
        return "–"
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
