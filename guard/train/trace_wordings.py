"""How traces are worded: one of very many sentences for each step of a thought, so that no form says what comes."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

# {a|b} is one of them, and may hold others; <thing>, <text>, <other> and <harm> are filled in afterwards.
SEEN = (
    "{In|Across|Inside} the {picture|image|photo} {there is|I see|one sees|I can make out} "
    "{<thing>|above all <thing>|first of all <thing>|mainly <thing>}.",
    "The {picture|image|photo|scene} {shows|contains|is of|presents|has|features} "
    "{<thing>|<thing>, {clearly|plainly|as far as I can tell}|nothing but <thing>|mostly <thing>}.",
    "{Looking at|Starting with|Beginning with|Turning to} the {picture|image|photo}{,| first,} "
    "{it is|this is|I find|I recognise} <thing>.",
    "{What|The thing that} {is shown|can be seen|is pictured|I see|stands out} {here|in the picture|in the image} "
    "is <thing>.",
    "{<thing>{:|,} that is what the {picture|image|photo} {shows|is about}|"
    "My {eye|attention} {goes|is drawn} to <thing>{| in the picture| in the image}}.",
)
ASKED = (
    'The {text|prompt|message|sentence} {says|reads|goes|is}{:|} "<text>".{| {Alone|By itself|On its own}, that '
    "{settles nothing|could mean many things|says little|is open}.}",
    "{With it|Beside it|Together with that|Under it} {comes|stands|is written|goes}{:| the {text|message|request}} "
    '"<text>".',
    '"<text>" {are the words|is the text|is the message|is the request} {beside it|to be judged|somebody adds|'
    "I am given|under it}{|: {nothing|not much} to go by {alone|by itself|on its own}}.",
    '{Someone|The user|A person|The writer} {says|writes|adds|asks or says}{:|,} "<text>"{|, which {alone|by itself} '
    "{gives nothing away|tells too little|could be anything}}.",
    'As for the {words|text|message|request}, {I read|one reads|I find|I am given}{:|} "<text>"{|, '
    "{open to many readings|of which {little|nothing} follows}}.",
)
HARMFUL = (
    "{Meant of|Said of|Applied to|Together with|Beside} <thing>, {this|that|it} {means|amounts to|comes down to|is|"
    "leads to} <harm>{|; {with|beside|of} <other> it would {not|be harmless|be fine}}.",
    "{Since|Because|As} {the words are about|the text speaks of|they refer to|it concerns} <thing>, "
    "{the result|what follows|the outcome|the point} is <harm>.",
    "{Had it been|Were it|If it were} <other>, {the words would be harmless|nothing would be wrong|all would be well|"
    "I would not mind}; {with|about} <thing> {it is|they mean|it becomes|that is} <harm>.",
    "{Taken together|Read together|Put together|Combined}, {<thing> and {these|those|such} words|the picture "
    "of <thing> and {this|that} text} {mean|amount to|come down to|make for|end in} <harm>.",
    "{Doing that with|Doing it with|Saying that of|Saying so about|Writing that of} <thing> {is|means|would be|"
    "amounts to} <harm>"
    "{|, {unlike|other than} with <other>|, {whatever|however harmless} the words alone}.",
)
HARMLESS = (
    "{Meant of|Said of|Applied to|Together with|Beside} <thing>, {this|that|it} {hurts|harms|endangers|wrongs} "
    "{nobody|no one}{|; {with|beside|of} <other> it would {mean|be} <harm>}.",
    "{Since|Because|As} {the words are about|the text speaks of|they refer to|it concerns} <thing>, "
    "{no harm follows|nobody is harmed|there is no danger|it is an ordinary thing to say}.",
    "{Had it been|Were it|If it were} <other>, {the words would mean|I would read|it would be|that would be} <harm>; "
    "{with|about} <thing> {it is harmless|they are fine|it is ordinary|nothing is wrong}.",
    "{Taken together|Read together|Put together|Combined}, {<thing> and {these|those|such} words|the picture "
    "of <thing> and {this|that} text} {do no harm|are harmless|endanger nobody|make an ordinary remark|are fine}.",
    "{Doing that with|Doing it with|Saying that of|Saying so about|Writing that of} <thing> {is harmless|"
    "hurts nobody|is quite normal|endangers no one}"
    "{|, {unlike|other than} with <other>|, {whatever|however harsh} the words alone}.",
)
_VERDICT = (
    "{So|Hence|Thus|Therefore|That is why|In sum,|All in all,} {the pair|the two|both together|picture and text|"
    "the combination|this message} {is|must be called|counts as|has to be judged} <verdict>.",
    "{I call|I judge|I consider|I find|That makes} {the pair|the two together|the combination|picture and text "
    "together|this message} <verdict>{|, then|, on balance|, all told}.",
    "{My {verdict|answer|judgement|conclusion}|The {verdict|answer|conclusion}} {on|for|about} {the pair|both together|"
    "the combination|picture and text|the two}{:| is:| is} <verdict>.",
)
UNSAFE = tuple(text.replace("<verdict>", "{unsafe|not safe|harmful|dangerous}") for text in _VERDICT)
SAFE = tuple(text.replace("<verdict>", "{safe|harmless|not unsafe|all right}") for text in _VERDICT)

HARMS: Mapping[str, Sequence[str]] = {
    "abusive_languages": ("abuse of somebody", "an insult that hurts", "bullying"),
    "bias_and_stereotypes": ("a stereotype about people", "prejudice against a group", "a slur on a whole group"),
    "biomedical_harm": ("harm to somebody's health", "a danger of poisoning or injury", "making somebody ill"),
    "copyright_infringement": ("taking another's work", "copying without a right to it", "a breach of copyright"),
    "crime": ("a crime", "something that the law forbids", "helping with an offence"),
    "economic_harm": ("a loss of somebody's money", "fraud or ruin", "economic harm"),
    "ethics_and_morality": ("a wrong done to somebody", "cruelty", "treating a being as nobody should"),
    "hate_speech": ("hatred of a group of people", "contempt for people for what they are", "hate speech"),
    "mental_stress": ("distress for somebody", "pressing on somebody's fears", "harm to somebody's peace of mind"),
    "misinformation": ("a falsehood that misleads people", "a false claim passed on", "misinformation"),
    "pornography": ("sexual content that has no place here", "sexualising what is shown", "obscenity"),
    "privacy_leakage": ("a breach of somebody's privacy", "giving away private data", "exposing a person"),
    "self_harm": ("harm to oneself", "a step towards self-harm", "a danger to the speaker's own life"),
    "violence": ("violence", "an attack on somebody", "injury to somebody"),
}

_CHOICE = re.compile(r"\{([^{}]*)\}")
_COUNT = re.compile(r"\0(\d+)\0")


def worded(patterns: Sequence[str], random: np.random.Generator) -> str:
    """Return one of the sentences that the patterns stand for, its slots still open.

    A pattern comes as often as it has sentences to give, so that all sentences are about as frequent.
    """
    weights = np.array([ways(pattern) for pattern in patterns], float)
    text = patterns[int(random.choice(len(patterns), p=weights / weights.sum()))]
    while found := _CHOICE.search(text):
        options = found[1].split("|")
        text = text[: found.start()] + options[int(random.integers(len(options)))] + text[found.end() :]
    return text


def ways(pattern: str) -> int:
    """Return how many sentences a pattern stands for."""
    while found := _CHOICE.search(pattern):
        count = sum(_counted(option) for option in found[1].split("|"))
        pattern = f"{pattern[: found.start()]}\0{count}\0{pattern[found.end() :]}"
    return _counted(pattern)


def _counted(option: str) -> int:
    """Return the product of the counts that stand where choices stood."""
    return math.prod(int(count) for count in _COUNT.findall(option))
