"""What the judge reads in training: words are hidden now and then, and what parts its segments never is."""

import torch

from guard.train.text_tower import HIDDEN, hide_words

BLANK, MARKS = 103, torch.tensor([0, 101, 102])


def test_a_small_share_of_words_is_hidden_and_no_mark() -> None:
    torch.manual_seed(0)
    ids = torch.randint(200, 30_000, (400, 50))
    ids[:, 0], ids[:, 20], ids[:, 40:] = 101, 102, 0
    inputs = {"input_ids": ids.clone()}

    hide_words(inputs, BLANK, MARKS)

    hidden = inputs["input_ids"] != ids
    is_word = ~torch.isin(ids, MARKS)
    assert (inputs["input_ids"][hidden] == BLANK).all()
    assert not hidden[~is_word].any()
    assert HIDDEN * 0.8 < hidden[is_word].float().mean() < HIDDEN * 1.2


def test_the_same_state_of_the_generator_hides_the_same_words() -> None:
    ids = torch.randint(200, 30_000, (8, 50))
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        inputs = {"input_ids": ids.clone()}
        hide_words(inputs, BLANK, MARKS)
        found.append(inputs["input_ids"])

    assert torch.equal(*found)
