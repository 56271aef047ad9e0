import itertools
import json
import shutil

import pytest

from data.reasons import reason
from data.records import PROTECTED, UNPROTECTED, Protection, Spec, TransformType
from models import protection, version_file
from models.preview import Preview
from serving.inference import engines
from serving.inference.client import Item


@pytest.fixture(scope="module", params=["ctranslate2", "transformers"])
def engine(request, folder):
    return engines.load(folder, request.param)


@pytest.fixture(scope="module")
def items(tiny_texts):
    return [
        Item(text=text, transform_type=TransformType.SOFTEN, intensity=i % 4, seed=100 + i)
        for i, text in enumerate(tiny_texts[:6])
    ]


def spec(**decoding):
    return Spec(version="v", **{"max_new_tokens": 12, **decoding})


def texts(rewrites):
    return [rewrite.text for rewrite in rewrites]


def test_both_engines_write_the_same_greedy_text(folder, items):
    both = [
        texts(engines.load(folder, name).generate(spec(), items)) for name in ("ctranslate2", "transformers")
    ]
    assert both[0] == both[1]
    assert len(set(both[0])) > 1


def test_the_prompt_is_that_of_the_spec_and_its_tokens_are_counted(engine, items):
    written = [engine.generate(spec(prompt=prompt), items[:1])[0] for prompt in ("frame-1", "frame-2")]
    encoded = [
        engine._texts._prompt(spec(prompt=prompt), items[0], items[0].text)
        for prompt in ("frame-1", "frame-2")
    ]
    assert written[0].prompt_tokens == len(encoded[0])
    assert len(encoded[1]) > 10 * len(encoded[0])
    told = engine._texts._tokenizer.decode(encoded[1].ids)
    assert "friendlier way" in told
    assert items[0].text in told


def test_rewrites_are_in_the_order_of_the_items(engine, items):
    one_by_one = [text for item in items for text in texts(engine.generate(spec(), [item]))]
    assert texts(engine.generate(spec(), items)) == one_by_one
    assert texts(engine.generate(spec(), items[::-1])) == one_by_one[::-1]


def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(engine, items):
    sampled = spec(temperature=1.0)
    together = texts(engine.generate(sampled, items))
    unseeded = [item.model_copy(update={"seed": None}) for item in items]
    for item, text in zip(items, together, strict=True):
        assert texts(engine.generate(sampled, [*unseeded, item]))[-1] == text


def test_items_of_one_seed_are_drawn_together_and_again(engine, items):
    sampled = spec(temperature=1.5, top_k=100)
    two = [items[0], items[0]]
    drawn = texts(engine.generate(sampled, two))
    assert len(set(drawn)) == 2
    assert texts(engine.generate(sampled, [items[1], *two, items[2]]))[1:3] == drawn


def test_other_seeds_and_no_seed_give_other_texts(engine, items):
    sampled = spec(temperature=1.5, top_k=100)
    seeded = [items[0].model_copy(update={"seed": seed}) for seed in range(5)]
    unseeded = [items[0].model_copy(update={"seed": None})] * 5
    assert len(set(texts(engine.generate(sampled, seeded)))) > 2
    assert len(set(texts(engine.generate(sampled, unseeded)))) > 2


def test_sampling_from_the_best_one_is_greedy(engine, items):
    assert texts(engine.generate(spec(temperature=1.0, top_k=1), items)) == texts(
        engine.generate(spec(), items)
    )


def test_length_is_bounded_and_reported(engine, items):
    for rewrite in engine.generate(spec(max_new_tokens=5), items):
        assert rewrite.tokens == 5 or (rewrite.finished and rewrite.tokens < 5)


def test_a_rewrite_ends_at_the_stop_token_and_has_no_nul(folder):
    rewriter = engines._Texts(folder)
    ids = rewriter._tokenizer.encode(" Please look at PAY-123. ").ids
    assert rewriter._draft([*ids, rewriter.stop_id, *ids]) == ("Please look at PAY-123.", len(ids), True, 0)
    assert not rewriter._draft(ids).finished
    nul = rewriter._tokenizer.encode("a\0b").ids
    assert rewriter._tokenizer.decode(nul) == "a\0b"
    assert rewriter._draft(nul).text == "ab"


def test_lost_facts_are_named_and_other_drafts_are_tried(engine, items):
    messages = [items[0].model_copy(update={"text": "PAY-123 blocks 14 orders."})]
    [alone] = engine.generate(spec(), messages)
    assert alone.facts_missing == ["PAY-123", "14"], "an untrained model loses them"
    [protected] = engine.generate(spec(protection=Protection(masks=True, retries=3)), messages)
    assert protected.facts_missing == ["PAY-123", "14"]
    assert protected.tokens == 4 * 12, "a first draft and three others"


def test_both_engines_try_the_same_other_drafts(folder, items):
    kept = Protection(retries=3)
    drafts = []
    for name in ("ctranslate2", "transformers"):
        engine = engines.load(folder, name)
        prompts_ = [(item, engine._texts._prompt(spec(), item, item.text)) for item in items]
        first = engine._generate(spec(), prompts_, 0)
        others = engine._generate(spec(protection=kept), prompts_, 3)
        assert all(len({*map(tuple, [*a, *b])}) == 4 for a, b in zip(first, others, strict=True))
        drafts.append([engine._texts._draft(ids) for of_one in others for ids in of_one])
    assert drafts[0] == drafts[1]


def test_seeded_retries_are_drawn_again(engine, items):
    sampled = spec(temperature=1.5, top_k=100, protection=Protection(masks=True, retries=2))
    messages = [
        item.model_copy(update={"text": "PAY-123 blocks 14 orders."}) for item in [items[0], items[0]]
    ]
    drawn = engine.generate(sampled, messages)
    assert engine.generate(sampled, messages) == drawn
    assert all(rewrite.tokens > 12 for rewrite in drawn), "they were tried again"


def test_a_message_that_is_too_long_is_refused_and_the_others_are_not(engine, items):
    endless = items[0].model_copy(update={"text": "😀" * 8000})
    before, refused, after = engine.generate(spec(), [items[1], endless, items[2]])
    assert "at most 2,048" in refused.refusal.render("en")
    assert "このモデルが読めるのは 2,048 トークンまでです" in refused.refusal.render("ja")
    assert refused.text == ""
    assert texts([before, after]) == texts(engine.generate(spec(), items[1:3]))
    assert before.refusal is after.refusal is None


def test_a_message_in_a_language_that_the_version_does_not_write_is_returned(engine, items):
    japanese = items[0].model_copy(update={"text": "PAY-123 を金曜日までに直してください。"})
    before, returned, after = engine.generate(spec(), [items[1], japanese, items[2]])
    assert returned.unchanged == reason("unchanged_language")
    assert (returned.text, returned.facts_missing, returned.finished) == (japanese.text, [], True)
    assert returned.tokens == 0
    assert returned.refusal is None
    assert texts([before, after]) == texts(engine.generate(spec(), items[1:3]))
    assert before.unchanged is after.unchanged is None
    assert [one.unchanged for one in engine.generate(spec(), [japanese] * 2)] == [returned.unchanged] * 2


def test_a_version_may_write_japanese(folder, items, tmp_path):
    shutil.copytree(folder, tmp_path / "ja")
    stored = json.loads((folder / version_file.NAME).read_text())
    (tmp_path / "ja" / version_file.NAME).write_text(json.dumps(stored | {"languages": ["en", "ja"]}))
    japanese = items[0].model_copy(update={"text": "金曜日までに直してください。"})
    [rewrite] = engines.load(tmp_path / "ja", "ctranslate2").generate(spec(), [japanese])
    assert rewrite.unchanged is None
    assert rewrite.tokens > 0


def test_when_no_draft_can_be_chosen_the_reason_is_given(engine, items, monkeypatch):
    monkeypatch.setattr(protection.Masked, "restore", lambda *_: None)
    message = items[0].model_copy(update={"text": "PAY-123 blocks 14 orders."})
    [returned] = engine.generate(spec(protection=PROTECTED), [message])
    assert (returned.text, returned.facts_missing) == (message.text, [])
    assert returned.unchanged == reason("unchanged_not_kept")
    assert returned.tokens > 0


# --- previews ----------------------------------------------------------------------------------------------


class Seen(Preview):
    """A preview that keeps what it showed, and whose reader leaves at `leave_at` characters."""

    def __init__(self, leave_at=10**6):
        self.states = []
        super().__init__(self.keep)
        self.leave_at = leave_at

    def keep(self):
        self.states.append(self.text)
        if len(self.text) >= self.leave_at:
            self.abandon()


@pytest.mark.parametrize("temperature", [0, 1.0])
@pytest.mark.parametrize("level", [UNPROTECTED, PROTECTED], ids=["plain", "protected"])
def test_previews_show_the_first_drafts_and_change_no_rewrite(engine, items, temperature, level):
    of_spec = spec(temperature=temperature, protection=level, max_new_tokens=24)
    previews = [None if i == 1 else Seen() for i in range(len(items))]
    rewrites = engine.generate(of_spec, items, previews)
    assert rewrites == engine.generate(of_spec, items)
    first_drafts = engine.generate(of_spec.model_copy(update={"protection": UNPROTECTED}), items)
    for preview, first in zip(previews, first_drafts, strict=True):
        if preview is None:
            continue
        assert all(after.startswith(before) for before, after in itertools.pairwise(preview.states))
        assert level or first.text.startswith(preview.text)
    assert sum(len(preview.states) for preview in previews if preview) > 5 * 3


def test_more_items_than_a_batch_has_show_each_their_own_draft(engine, items):
    many = [items[i % 6].model_copy(update={"text": items[i % 6].text * (1 + i % 3)}) for i in range(20)]
    previews = [Seen() for _ in many]
    for rewrite, preview in zip(engine.generate(spec(), many, previews), previews, strict=True):
        assert rewrite.text.startswith(preview.text)
        assert preview.states


def test_a_reader_who_leaves_ends_their_own_draft(engine, items):
    previews = [Seen(), Seen(leave_at=10), None]
    long = spec(max_new_tokens=100)
    stayed, left, unseen = engine.generate(long, items[:3], previews)
    assert [stayed, unseen] == [engine.generate(long, items[:3])[i] for i in (0, 2)]
    assert 0 < left.tokens < 50


def test_a_preview_that_is_not_shown_changes_nothing_and_ends_its_draft(engine, items):
    long, unseen = spec(max_new_tokens=400), Preview(is_shown=False)
    whole = engine.generate(long, items[:2])
    assert engine.generate(long, items[:2], [None, unseen]) == whole
    assert unseen.text == ""
    shown = Seen(leave_at=10)
    with shown.when_abandoned(unseen.abandon):  # both leave in the middle
        left, other = engine.generate(long, items[:2], [shown, unseen])
    assert 0 < left.tokens < whole[0].tokens
    assert 0 < other.tokens < whole[1].tokens


def test_who_has_left_gets_no_retries(engine, items):
    message = items[0].model_copy(update={"text": "PAY-123 blocks 14 orders."})
    of_spec = spec(protection=Protection(retries=3))
    assert engine.generate(of_spec, [message])[0].tokens == 4 * 12
    assert engine.generate(of_spec, [message], [Seen(leave_at=1)])[0].tokens < 12
    gone = Seen()
    gone.abandon()
    assert engine.generate(of_spec, [message], [gone])[0].tokens == 0


def test_half_a_character_is_not_shown(folder):
    texts_of = engines._Texts(folder)
    preview = Seen()
    request = ("Fix it.", TransformType.SOFTEN, 1)
    feed = texts_of._feed(request, UNPROTECTED, preview)
    for token in texts_of._tokenizer.encode(" é直\0す.").ids:
        feed(token)
    assert preview.text == "é直す."
    assert not any("\ufffd" in state for state in preview.states)
