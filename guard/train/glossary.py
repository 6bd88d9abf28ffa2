"""Words of other languages read as the English words that they stand for: the judge begins with an encoder of English.

`own/glossary/*.tsv` gives words of a language for an English one. Each becomes a word of the tokenizer, and the encoder
looks it up under the number of its English gloss: not one weight is added, and what the judge learnt of "poison" holds
for "veneno" before it has seen any Spanish. Words that English has too stay English ("die", "hat", "invade"): those of
`english.txt`, and whatever the encoder knows as a whole, but for some that are common elsewhere ("los", `common.txt`).
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from guard.train.backbone import Backbone, load_backbone
from guard.train.hub import DEFAULT

# Letters, from and to, of words that are known inside others too: compounds, and what Arabic writes as one word.
_INSIDE = {"de": (4, 12), "ar": (2, 5), "zh": (1, 3)}
_OTHER_SCRIPTS = ("ar", "hi", "zh")
_ARTICLES = re.compile("(ال|بال|لل|وال)..?$")  # short words that begin like an article would take it from longer ones
_ENDING = 8  # letters at most of an ending that is left to other pieces
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_IS_HAN = re.compile(f"[{_HAN}]")
_RUN = 64  # Han characters that are cut into words together, longest match first; serving parts longer words there


class GlossedWords(nn.Module):
    """Word embeddings in which several words may have the row of one."""

    def __init__(self, words: nn.Embedding, row_of: torch.Tensor) -> None:
        super().__init__()
        self.words = words
        self.register_buffer("row_of", row_of, persistent=False)

    def forward(self, ids: Any) -> Any:
        """Return embeddings, float32 (..., width), of token numbers."""
        return self.words(self.row_of.index_select(0, ids.flatten()).view(ids.shape))


def load_reader(name: str = DEFAULT) -> Backbone:
    """Return the backbone that reads prompts: MiniLM knows English alone and gets the glossary, another is as it comes.

    Raises:
        UsageError: as `load_backbone`.
    """
    backbone = load_backbone(name)
    return with_glossary(backbone, read_glossary()) if name == DEFAULT else backbone


def read_glossary() -> dict[str, dict[str, str]]:
    """Return by language what each word means in English: what its first line says, in the order of the lines."""
    found: dict[str, dict[str, str]] = {}
    folder = files("guard.train.own") / "glossary"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".tsv"):
            words = found.setdefault(path.name.removesuffix(".tsv"), {})
            for line in path.read_text(encoding="utf-8").splitlines():
                english, forms = line.split("\t")
                for form in forms.split():
                    words.setdefault(form, english)
    return found


def with_glossary(backbone: Backbone, glossary: Mapping[str, Mapping[str, str]]) -> Backbone:
    """Return the backbone with a tokenizer, of WordPiece's kind, that knows the words of a glossary by language.

    A word that two languages have means what the one says in which it comes earlier: glossaries begin with what matters
    most. The backbone's encoder is changed.
    """
    document = json.loads(backbone.tokenizer.to_str())
    original: dict[str, int] = document["model"]["vocab"]
    english, common = _listed("english.txt"), _listed("common.txt")
    # Whole words, single letters among them, which spell what is spaced out; and ends like "##en".
    known = {piece for piece in original if piece.isascii() or piece.startswith("##")}
    taken = {*known, *english} - common
    rows_of = _without_endings(_pieces(backbone.tokenizer, original, glossary, taken), original)
    rows_of = _beside_english(rows_of, english, {*original, *common})
    # A run of Han characters with one that has no piece would be unknown as a whole.
    han = sorted({letter for piece in rows_of for letter in piece if _IS_HAN.match(letter)})
    unknown = original[document["model"]["unk_token"]]
    rows_of |= {piece: unknown for letter in han for piece in (letter, f"##{letter}") if piece not in rows_of}
    _cut_han(document, han)
    first = 1 + max(original.values())
    document["model"]["vocab"] = {**original, **{piece: first + number for number, piece in enumerate(rows_of)}}
    row_of = torch.tensor([*range(first), *rows_of.values()], dtype=torch.int32)
    encoder = backbone.encoder
    encoder.embeddings.word_embeddings = GlossedWords(encoder.embeddings.word_embeddings, row_of)
    return Backbone(backbone.name, backbone.digest, encoder, Tokenizer.from_str(json.dumps(document)), backbone.width)


def _pieces(
    tokenizer: Tokenizer,
    original: Mapping[str, int],
    glossary: Mapping[str, Mapping[str, str]],
    taken: Collection[str],
) -> dict[str, int]:
    """Return the words of a glossary but for those `taken`, "##" before one inside another, with their rows."""
    found: dict[str, int] = {}
    for is_romanised, _, language, form, gloss in sorted(_ranked(glossary)):
        word = tokenizer.normalizer.normalize_str(form).replace(" ", "")
        row = original.get(gloss)
        if row is None or row == original.get(word) or not _is_word(word):
            continue
        shortest, longest = (1, 0) if is_romanised else _INSIDE.get(language, (1, 0))
        for piece in (word, f"##{word}") if shortest <= len(word) <= longest else (word,):
            if piece not in taken:
                found.setdefault(piece, row)
    return found


def _is_word(text: str) -> bool:
    """Return whether a tokenizer takes a text for one word, that not for a figure, nor its beginning for an article."""
    signs = any(unicodedata.category(letter)[0] in "NPSZC" for letter in text)
    return bool(text) and not signs and not _ARTICLES.match(text)


def _listed(name: str) -> frozenset[str]:
    return frozenset((files("guard.train.own") / "glossary" / name).read_text(encoding="utf-8").split())


def _ranked(glossary: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[bool, int, str, str, str]]:
    """Yield what orders a word, its language, and its gloss.

    What is written as its language is comes first, by the number of glosses that the language has before it.
    """
    for language, words in glossary.items():
        rank = {gloss: number for number, gloss in enumerate(dict.fromkeys(words.values()))}
        for form, gloss in words.items():
            yield language in _OTHER_SCRIPTS and form.isascii(), rank[gloss], language, form, gloss


def _without_endings(pieces: Mapping[str, int], original: Mapping[str, int]) -> dict[str, int]:
    """Return `pieces` but for those that begin with another one of the same meaning, and go on with a short ending."""
    kept: dict[str, int] = {}
    for piece in sorted(pieces, key=lambda piece: (len(piece), piece)):
        bare = piece.removeprefix("##")
        mark = piece[: len(piece) - len(bare)]
        starts = (mark + bare[:cut] for cut in range(len(bare) - 1, 0, -1))
        start = next((start for start in starts if start in kept or start in original), "")
        ending = piece[len(start) :]
        is_told = piece not in original and kept.get(start) == pieces[piece] and len(ending) <= _ENDING
        # An ending that begins with a word of a glossary is none: what it means would be added.
        is_told = is_told and not any(f"##{ending[:cut]}" in pieces for cut in range(1, len(ending) + 1))
        if not (is_told and all(f"##{letter}" in original for letter in ending)):
            kept[piece] = pieces[piece]
    return kept


def _beside_english(pieces: Mapping[str, int], english: Iterable[str], spared: Collection[str]) -> dict[str, int]:
    """Return `pieces` without those that change how the tokenizer cuts English words, but for `spared` ones."""
    kept = dict(pieces)
    words = [word for word in english if word not in spared]
    while True:
        known = kept.keys() | spared
        changed = {piece for word in words for piece in _cut(word, known) if piece not in spared}
        if not changed:
            return kept
        kept = {piece: row for piece, row in kept.items() if piece not in changed}


def _cut(word: str, known: Collection[str]) -> Iterator[str]:
    """Yield the pieces of a word as WordPiece cuts it, longest match first, up to where it knows none."""
    mark = ""
    while word:
        cut = next((cut for cut in range(len(word), 0, -1) if mark + word[:cut] in known), 0)
        if not cut:
            return
        yield mark + word[:cut]
        word, mark = word[cut:], "##"


def _cut_han(document: dict[str, Any], known: Collection[str]) -> None:
    """Have runs of known Han characters cut into words, longest match first, in place of one character a word."""
    if known:
        document["normalizer"]["handle_chinese_chars"] = False
        runs = f"[{''.join(known)}]{{1,{_RUN}}}|[{_HAN}]"
        cut = {"type": "Split", "pattern": {"Regex": runs}, "behavior": "Isolated", "invert": False}
        document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [cut, document["pre_tokenizer"]]}
