"""Text as the model reads it: scheme "guard-1", the same in training and in serving.

A person or an LLM reads through tricks that a tokenizer stumbles over. Each is undone here: compatibility forms
(fullwidth, mathematical, circled letters), characters that nobody sees (zero width, direction marks, soft hyphens,
controls), tag characters that spell hidden ASCII, and letters of other scripts that look Latin.
"""

import re
import unicodedata

# Look-alikes of Latin letters: Cyrillic, Greek, Armenian, Cherokee, then small capitals. Pairs of (letters, Latin).
_TWINS = (
    ("аеорсухіјѕһԁԛԝӏвкмнтгпиЬь", "aeopcyxijshdqwlbkmhtrnubb"),
    ("АЕОРСУХІЈЅҺԚԜВКМНТӀ", "AEOPCYXIJSHQWBKMHTI"),
    ("αβεικνορτυχωηγϲϳ", "abeikvoptuxwnycj"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿ", "ABEZHIKMNOPTYXCJ"),
    ("աօոսցհյզեՕՍ", "wonughjqtOU"),
    ("ᎪᏴᏟᎠᎬᏀᎻᏆᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ", "ABCDEGHIJKLMPRSTVWZ"),
    ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢɑɡɩ", "abcdefghijklmnopqrstuvwyzagi"),
)
_TO_LATIN = {ord(twin): latin for twins, latins in _TWINS for twin, latin in zip(twins, latins, strict=True)}

# Letters that NFKC leaves alone: negative circled, negative squared, regional indicators, outlined (Unicode 16); and
# parenthesised ones, which it unfolds into three characters.
_BOXED = {first + i: chr(ord("A") + i) for first in (0x1F110, 0x1F150, 0x1F170, 0x1F1E6, 0x1CCD6) for i in range(26)}
_BOXED |= {0x249C + i: chr(ord("a") + i) for i in range(26)}
_OUTLINED_DIGITS = {0x1CCF0 + i: str(i) for i in range(10)}
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
# Neither format nor control characters by their category, and yet nothing is seen.
_BLANK = dict.fromkeys((0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0)) | {0x2800: " "}
_SEEN = {**_BOXED, **_OUTLINED_DIGITS, **_TAGS, **_BLANK}

# Unicode's own form and no longer: behind a flag, tags could spell a whole prompt.
_FLAG_OF_REGION = re.compile(
    "(?<=\N{WAVING BLACK FLAG})[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,3}\U000e007f"
)
# A variation selector chooses the form of the letter before it. Behind another one it has nothing to choose.
_STRAY_SELECTOR = re.compile("(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Pictographs are added every year, faster than tables of Unicode: seen, whether or not they are assigned in these.
_PICTOGRAPHS = range(0x1F000, 0x1FC00)
_UNREAD = "\uffff"
# Bullets and logos of symbol fonts stand alone, and now and then.
_MOST_UNREAD_RUN = 2
_MOST_UNREAD_SHARE = 0.1
_ASCII_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WORD = re.compile(r"[\w\u0300-\u036f]+")  # with combining marks
_LATIN = re.compile(r"[A-Za-z]")
_SOME_TWIN = re.compile(f"[{''.join(map(chr, _TO_LATIN))}]")


def normalise(text: str) -> str:
    """Return `text` with disguises undone; the wording, case and line breaks stay. Idempotent; any string is fine."""
    if text.isascii():
        return _ASCII_CONTROLS.sub("", text.replace("\r", "\n"))
    # Marks are thinned out before, since normalising takes quadratic time in their number, and after, since it unfolds
    # letters into letters with marks.
    folded = _with_few_marks(unicodedata.normalize("NFKC", _with_few_marks(_visible(text))))
    if _SOME_TWIN.search(folded):
        folded = _WORD.sub(_fold_mixed, folded)
        if 2 * len(_LATIN.findall(folded)) > sum(map(str.isalpha, folded)):
            folded = _WORD.sub(_fold_twins, folded)
    # Removing and folding may leave a letter beside a mark that it can be composed with.
    return unicodedata.normalize("NFKC", folded)


def is_readable(text: str, normalised: str) -> bool:
    """Whether normalising left what a model may read in `text`; one of blanks and an invisible filler is readable.

    Dropped are characters that nobody sees, and ones that no table explains: private use, unassigned, selectors behind
    selectors. A text made of them, or a word, is not: each could stand for a letter.
    """
    if not normalised.strip():
        rest = "".join(text.split())
        return len(rest) <= _MOST_UNREAD_RUN and not any(map(_is_unexplained, rest))
    if text.isascii():
        return True
    marked = _STRAY_SELECTOR.sub(_UNREAD, text)
    marked = marked.translate({ord(character): _UNREAD for character in set(marked) if _is_unexplained(character)})
    marked = "".join(marked.split())
    share = marked.count(_UNREAD) / len(marked)
    return share <= _MOST_UNREAD_SHARE and _UNREAD * (_MOST_UNREAD_RUN + 1) not in marked


def _visible(text: str) -> str:
    decoded = _FLAG_OF_REGION.sub("", text.replace("\r", "\n")).translate(_SEEN)
    return decoded.translate({ord(character): None for character in set(decoded) if _is_hidden(character)})


def _with_few_marks(text: str) -> str:
    """Return the text with at most four combining marks on a letter: more are ornament, or an attack on patience."""
    marks = "".join(character for character in set(text) if unicodedata.combining(character))
    return re.sub(f"([{marks}]{{4}})[{marks}]+", r"\1", text) if marks else text


def _is_hidden(character: str) -> bool:
    point = ord(character)
    is_variation = 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF or 0x180B <= point <= 0x180F
    is_control = unicodedata.category(character).startswith("C") and character not in "\n\t"
    return is_variation or (is_control and point not in _PICTOGRAPHS)


def _is_unexplained(character: str) -> bool:
    point = ord(character)
    return point not in _PICTOGRAPHS and point not in _SEEN and unicodedata.category(character) in ("Co", "Cn", "Cs")


def _fold_mixed(word: re.Match[str]) -> str:
    """Fold a word that mixes Latin with another script."""
    return word[0].translate(_TO_LATIN) if _LATIN.search(word[0]) else word[0]


def _fold_twins(word: re.Match[str]) -> str:
    """Fold a word whose letters are all look-alikes: in a text that is mostly Latin it is not a foreign word."""
    is_twin = all(ord(character) in _TO_LATIN for character in word[0] if character.isalpha())
    return word[0].translate(_TO_LATIN) if is_twin else word[0]
