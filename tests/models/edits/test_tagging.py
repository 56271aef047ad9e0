from types import SimpleNamespace

import numpy as np
import pytest

from models import curation
from models.edits import tagging
from models.edits.script import Change, Edit


@pytest.fixture(scope="module")
def tokenizer():
    return tagging.load_tokenizer(curation.encoder_folder())


def test_a_place_is_the_tokens_that_touch_it(tokenizer):
    tokens = tagging.tokenize(tokenizer, "Fix the export by Friday.")
    assert [tokens.texts[i] for i in tokens.at(4, 14)] == ["the", "export"]
    assert [tokens.texts[i] for i in tokens.at(0, 2)] == ["fix"]


def test_an_insertion_is_seen_between_its_neighbours(tokenizer):
    tokens = tagging.tokenize(tokenizer, "Fix the export.")
    assert [tokens.texts[i] for i in tokens.at(0, 0)] == ["fix"]
    assert [tokens.texts[i] for i in tokens.at(14, 14)] == ["export", "."]
    assert [tokens.texts[i] for i in tokens.at(15, 15)] == ["."]


def test_a_place_of_spaces_has_a_token_too(tokenizer):
    assert len(tagging.tokenize(tokenizer, "Fix      it").at(5, 7)) == 1


def test_a_long_message_is_read_in_windows(tokenizer):
    tokens = tagging.tokenize(tokenizer, "word " * 1000)
    windows = tagging.split_windows(tokens)
    assert [len(window.ids) for window in windows] == [384, 384, 232]
    assert np.array_equal(np.concatenate([window.offsets for window in windows]), tokens.offsets)


def test_equal_seeds_draw_equal_choices_by_their_probability():
    logits = np.log(np.array([0.2, 0.8]))
    first, second = (tagging.sampler(np.random.default_rng(7), 1.0) for _ in range(2))
    drawn = [first(logits) for _ in range(500)]
    assert drawn == [second(logits) for _ in range(500)]
    assert 0.7 < np.mean(drawn) < 0.9
    cold = tagging.sampler(np.random.default_rng(7), 0.01)
    assert {cold(logits) for _ in range(100)} == {1}


def test_a_note_that_clarifies_needs_less_certainty_except_in_samples(tokenizer):
    heads = {
        "edit.weight": np.zeros((1, 4)),
        "edit.bias": np.array([-1.0]),
        "rule.weight": np.zeros((2, 4)),
        "rule.bias": np.zeros(2),
    }
    tagger = SimpleNamespace(heads=heads, rules={"clarify.by_when": 0, "background.gap": 1})
    tokens = tagging.tokenize(tokenizer, "Send it soon.")
    reading = tagging.Reading(tagger, tokens, np.zeros((len(tokens.ids), 4)))
    edits = {rule: Edit(rule, 1, (Change(8, 12, "today"),)) for rule in tagger.rules}
    assert reading.accepts(edits["clarify.by_when"])
    assert not reading.accepts(edits["background.gap"])
    assert reading.accepts(edits["background.gap"], lean=1.4)
    drawn = tagging.sampler(np.random.default_rng(0), 0.01)
    assert not reading.accepts(edits["clarify.by_when"], drawn)
