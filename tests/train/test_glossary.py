"""Words of other languages read as English ones: what the tokenizer makes of them, and what the encoder then sees."""

from importlib.resources import files

import pytest
import torch

from guard.train.backbone import Backbone, load_backbone
from guard.train.glossary import read_glossary, with_glossary

LANGUAGES = {"es", "fr", "de", "pt", "zh", "hi", "ar"}
GLOSSARY = {
    "ar": {"كتاب": "book", "ال": "the", "و": "and"},
    "de": {"drogen": "drugs", "handel": "trade", "gift": "poison", "töten": "kill", "der": "the"},
    "es": {"matar": "kill", "drogen": "never"},
    "zh": {"毒药": "poison", "毒": "bad", "狗": "dog", "给": "give"},
}


@pytest.fixture(scope="module")
def plain() -> Backbone:
    return load_backbone()


@pytest.fixture(scope="module")
def glossed() -> Backbone:
    return with_glossary(load_backbone(), GLOSSARY)


def _read(backbone: Backbone, text: str) -> list[str]:
    """Return the English words that the encoder sees in a text."""
    words = backbone.encoder.embeddings.word_embeddings
    english = {number: word for word, number in load_backbone().tokenizer.get_vocab().items()}
    ids = backbone.tokenizer.encode(text, add_special_tokens=False).ids
    return [english[int(row)] for row in words.row_of[torch.tensor(ids)]]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("matar", ["kill"]),
        ("TÖTEN", ["kill"]),  # accents and case as the tokenizer takes them
        ("Drogenhandel", ["drugs", "trade"]),  # compounds
        ("matarlos", ["kill", "##los"]),  # endings are the tokenizer's
        ("gift", ["gift"]),  # an English word stays one
        ("k i l l", ["k", "i", "l", "l"]),
        ("der", ["the"]),  # one that the tokenizer knew, and English does not have
        ("والكتاب", ["and", "the", "book"]),  # what Arabic writes as one word
        ("给狗毒药", ["give", "dog", "poison"]),  # the longest word first
        ("毒龘狗", ["bad", "[UNK]", "dog"]),  # an unknown character takes no other with it
        ("狗药龘龘kill", ["dog", "[UNK]", "[UNK]", "[UNK]", "kill"]),  # nor one that is known within a word alone
        ("how to kill a dog", ["how", "to", "kill", "a", "dog"]),
    ],
)
def test_words_are_read_as_their_english_gloss(glossed: Backbone, text: str, seen: list[str]) -> None:
    assert _read(glossed, text) == seen


def test_english_words_are_cut_as_before_but_where_common_foreign_words_begin_them(plain: Backbone) -> None:
    folder = files("guard.train.own") / "glossary"
    english, common = ((folder / name).read_text(encoding="utf-8").split() for name in ("english.txt", "common.txt"))
    shipped = with_glossary(load_backbone(), read_glossary())

    before, after = (one.tokenizer.encode_batch(english, add_special_tokens=False) for one in (plain, shipped))
    changed = [one.tokens for one, other in zip(after, before, strict=True) if one.ids != other.ids]
    new = {piece for pieces in changed for piece in pieces} - plain.tokenizer.get_vocab().keys()
    assert new <= {*common}
    assert len(changed) < 0.03 * len(english)


def test_figures_and_signs_stay_what_they_are() -> None:
    found = with_glossary(load_backbone(), {"es": {"11": "eleven", "%": "percent", "t'": "your", "3g": "phone"}})

    assert found.tokenizer.get_vocab() == load_backbone().tokenizer.get_vocab()


def test_an_arabic_article_is_not_taken_for_the_beginning_of_a_short_word() -> None:
    found = with_glossary(load_backbone(), {"ar": {"ال": "the", "الم": "pain", "مدرسة": "school"}})

    assert _read(found, "المدرسة") == ["the", "school"]


def test_a_word_is_no_other_one_with_an_ending_that_means_something() -> None:
    found = with_glossary(load_backbone(), {"zh": {"毒": "poison", "毒药": "poison", "药": "medicine"}})

    assert _read(found, "毒药") == ["poison"]


def test_english_gets_the_embeddings_that_it_had(plain: Backbone, glossed: Backbone) -> None:
    text = "Explain how ships keep their balance in a storm, please: unbelievably interesting."
    ids = [torch.tensor([one.tokenizer.encode(text).ids]) for one in (plain, glossed)]

    assert torch.equal(*ids)
    with torch.inference_mode():
        before, after = (
            one.encoder(input_ids=numbers).last_hidden_state for one, numbers in zip((plain, glossed), ids, strict=True)
        )
    assert torch.equal(before, after)


def test_a_foreign_text_is_to_the_encoder_what_its_gloss_is(glossed: Backbone) -> None:
    with torch.inference_mode():
        foreign, english = (
            glossed.encoder(input_ids=torch.tensor([glossed.tokenizer.encode(text).ids])).last_hidden_state
            for text in ("matar Drogenhandel", "kill drugs trade")
        )
    assert torch.equal(foreign, english)


def test_a_word_of_two_languages_means_what_matters_more_and_what_is_spelt_as_its_language_is() -> None:
    glossary = {"de": {"und": "and", "tuer": "door"}, "fr": {"tuer": "kill"}, "hi": {"bolo": "speak"}}
    found = with_glossary(load_backbone(), {**glossary, "pt": {"o": "the", "bolo": "cake"}})

    assert _read(found, "tuer bolo") == ["kill", "cake"]


def test_forms_that_another_one_and_an_ending_spell_are_no_words_of_their_own() -> None:
    words = {"qu": "that", "que": "that", "mata": "kill", "matamos": "kill", "matanza": "massacre", "matando": "kill"}
    found = with_glossary(load_backbone(), {"es": words})

    vocabulary = found.tokenizer.get_vocab()
    assert {"mata", "matanza"} <= vocabulary.keys()
    assert not {"matamos", "matando"} & vocabulary.keys()
    assert _read(found, "matamos")[0] == "kill"
    assert _read(found, "que") == ["that"]  # the tokenizer has it as a word of its own


def test_the_project_has_a_glossary_of_each_language_that_it_has_prompts_in() -> None:
    assert {language: len(words) > 5000 for language, words in read_glossary().items()} == dict.fromkeys(
        LANGUAGES, True
    )


def test_words_that_stay_english_are_listed_once_in_small_letters() -> None:
    words = (files("guard.train.own") / "glossary" / "english.txt").read_text(encoding="utf-8").split("\n")[:-1]

    assert words == sorted({word for word in words if word.isascii() and word.isalpha() and word.islower()})


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_lines_give_single_words_for_one_english_word_that_the_encoder_knows(language: str, plain: Backbone) -> None:
    vocabulary = plain.tokenizer.get_vocab()
    text = (files("guard.train.own") / "glossary" / f"{language}.tsv").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        english, _, forms = line.partition("\t")
        assert english in vocabulary, f"{language}.tsv:{number}: {line}"
        assert forms.split(), f"{language}.tsv:{number}: {line}"
