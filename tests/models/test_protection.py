import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import corpus
from data.reasons import reason
from data.records import UNPROTECTED, Protection, TransformType
from models import facts, protection, tone
from models.preview import Preview
from models.protection import Draft

FACTS = st.sampled_from(
    [
        *(
            "PAY-123",
            "Friday",
            "friday",
            "14",
            "14:30",
            "$1,200",
            "42%",
            "v2.4",
            "#ops",
            "flush()",
            "Anna",
            "Q3",
        ),
        *("https://x.example/a?b=1", "ann@x.example", "retry_budget", "£", "NAME1", "DATE2", "number3"),
    ]
)
MESSAGES = st.lists(
    st.one_of(FACTS, st.text(max_size=12), st.sampled_from(["by", "and", ",", "."])), max_size=12
)


@given(MESSAGES.map(" ".join))
def test_what_is_masked_comes_back(message):
    masked = protection.mask(message)
    assert masked.restore(masked.text) == message
    assert len(set(masked.hidden.values())) == len(masked.hidden)


@given(MESSAGES.map(" ".join))
def test_a_masked_message_says_no_fact(message):
    # Whether a word is a name depends on what stands before it, and behind a mask that is another thing.
    assert [span for span in facts.spans(protection.mask(message).text) if span.kind != "name"] == []


def test_a_mask_says_the_kind_and_one_fact_has_one_mask():
    masked = protection.mask("Ask Anna: PAY-123 by Friday, and PAY-124 by Friday.")
    assert masked.text == "Ask NAME1: TICKET1 by DAY1, and TICKET2 by DAY1."
    assert masked.hidden == {"NAME1": "Anna", "TICKET1": "PAY-123", "TICKET2": "PAY-124", "DAY1": "Friday"}


def test_words_like_masks_in_a_message_stay_its_own():
    masked = protection.mask("The field NAME1 holds Anna since Friday.")
    assert masked.text == "The field NAME1 holds NAME2 since DAY1."
    assert masked.restore("NAME2 is in NAME1 since DAY1.") == "Anna is in NAME1 since Friday."


def test_a_mask_word_of_the_message_may_stay():
    message = "Ask Anna what CODE means in DATE and USERNAME."
    masked = protection.mask(message)
    assert masked.restore(masked.text) == message
    assert masked.restore("What does CODE mean in NAME, NAME1?") is None  # USERNAME is no NAME
    assert masked.restore("The DATE is up to date, and the name of the code is UPDATE.") is not None


@pytest.mark.parametrize(
    "rewrite",
    ["Ask NAME2 today.", "By DAY7, NAME1.", "NAME: ask NAME1.", "Ask NAME1 on a DAY in May.", "lNUMBER one"],
)
def test_a_mask_that_hides_nothing_spoils_the_rewrite(rewrite):
    assert protection.mask("Ask for Anna.").restore(rewrite) is None


def test_ten_is_not_one():
    masked = protection.mask("Tickets PAY-1, PAY-2, PAY-3, PAY-4, PAY-5, PAY-6, PAY-7, PAY-8, PAY-9, PAY-10.")
    assert masked.restore("First TICKET10, then ticket1.") == "First PAY-10, then PAY-1."


def test_a_rewrite_is_masked_as_its_message_is():
    masked = protection.mask("We need 4 of 42 by 3 pm, said Anna.")
    assert (
        masked.hide("By 3 pm Anna would like 4 of the 42.")
        == "By TIME1 NAME1 would like NUMBER1 of the NUMBER2."
    )
    assert masked.hide("By 3pm, please.") is None, "the same time in another form would teach to invent it"
    assert masked.hide("Soon, please.") == "Soon, please.", "what is lost is lost, masked or not"


def test_most_of_the_corpus_with_facts_can_be_masked():
    rows = [(o, r) for o in corpus.read(corpus.SEED / "train") for r in o.rewrites if facts.extract(o.text)]
    hidden = [protection.mask(original.text).hide(rewrite.text) for original, rewrite in rows]
    assert sum(rewrite is not None for rewrite in hidden) > 0.95 * len(rows)


class Model:
    """A fake model: writes `first` for each message, then `others` as retries, and records its inputs."""

    def __init__(self, first, others=()):
        self.first, self.others, self.read = first, others, []

    def __call__(self, texts, retries):
        self.read.append((list(texts.values()), retries))
        outputs = self.others[:retries] if retries else [self.first]
        return {i: [Draft(text, len(text.split()), True) for text in outputs] for i in texts}


MESSAGE = "Anna, send PAY-123 to Ben by Friday."


def protect(model, level, judge=None):
    [result] = protection.rewrite([(MESSAGE, TransformType.SOFTEN, 2)], level, model, judge)
    return result


def test_without_protection_a_rewrite_is_what_the_model_said_with_what_it_lost():
    model = Model("Please send it to Ben.")
    lost = ["PAY-123", "Friday", "Anna"]
    assert protect(model, UNPROTECTED) == ("Please send it to Ben.", lost, 5, True, None, 0)
    assert model.read == [([MESSAGE], 0)]


def test_the_model_reads_masks_and_people_read_facts():
    model = Model("NAME1, please send TICKET1 to NAME2 by DAY1.")
    result = protect(model, Protection(masks=True, retries=3))
    assert result.text == "Anna, please send PAY-123 to Ben by Friday."
    assert result.missing == []
    assert model.read == [(["NAME1, send TICKET1 to NAME2 by DAY1."], 0)], "nothing was lost: no second try"


def test_a_rewrite_that_lost_a_fact_is_tried_again_and_the_most_complete_is_taken():
    model = Model(
        "Could you please send it?", ["Please send it to NAME2.", "NAME1 to NAME2: TICKET1 by DAY1."]
    )
    result = protect(model, Protection(masks=True, retries=2))
    assert (result.text, result.missing) == ("Anna to Ben: PAY-123 by Friday.", [])
    assert result.tokens == 5 + 5 + 6, "what the others took counts"


def test_of_equally_complete_drafts_a_judge_chooses_and_without_one_the_likeliest_stays():
    blunt, kind = "NAME1: TICKET1 to NAME2, DAY1!", "NAME1, could you please send TICKET1 to NAME2 by DAY1?"
    lost = Model("NAME1, send it.", [blunt, kind])
    assert protect(lost, Protection(masks=True, retries=2)).text == "Anna: PAY-123 to Ben, Friday!"
    chosen = protect(lost, Protection(masks=True, retries=2), tone.rule_score)
    assert chosen.text == "Anna, could you please send PAY-123 to Ben by Friday?"
    best_of_three = Protection(masks=True, retries=2, always=True)
    assert protect(Model(blunt, [blunt, kind]), best_of_three, tone.rule_score).text == chosen.text


def test_a_judge_never_prefers_a_draft_that_lost_more_facts():
    judge = lambda message, draft, *_: float("send it" in draft)  # noqa: E731
    model = Model("NAME1: TICKET1 to NAME2, DAY1!", ["NAME1, please send it."])
    best_of_two = Protection(masks=True, retries=1, always=True)
    assert protect(model, best_of_two, judge).text == "Anna: PAY-123 to Ben, Friday!"


def test_an_empty_draft_is_the_last_choice():
    assert (
        protect(Model("", ["Please look at it."]), Protection(masks=True, retries=1)).text
        == "Please look at it."
    )


def test_best_of_n_without_a_judge_is_an_error():
    with pytest.raises(ValueError, match="a judge chooses among the drafts"):
        protect(Model("NAME1"), Protection(masks=True, retries=2, always=True))


def test_what_every_draft_lost_is_named():
    model = Model("Send it.", ["Anna, send it to NAME2.", "By DAY1."])
    result = protect(model, Protection(masks=True, retries=2))
    assert (result.text, result.missing) == ("Anna, send it to Ben.", ["PAY-123", "Friday"])


def test_nobody_ever_reads_a_mask_that_hides_nothing():
    model = Model("TICKET1 to NAME1 and NAME3 by DAY1.", ["Ask NAME9.", "TICKET1 to NAME2."])
    assert protect(model, Protection(masks=True, retries=2)).text == "PAY-123 to Ben."
    model = Model("Ask NAME9.", ["Ask NAME8."])
    result = protect(model, Protection(masks=True, retries=1))
    assert (result.text, result.missing, result.unchanged) == (MESSAGE, [], reason("unchanged_not_kept"))
    assert result.tokens == 4, "two drafts were written for nothing"


def test_a_draft_that_repeats_the_message_is_a_draft():
    copy = "NAME1, send TICKET1 to NAME2 by DAY1."
    result = protect(Model(copy), Protection(masks=True, retries=1))
    assert (result.text, result.unchanged) == (MESSAGE, None)


def test_what_became_of_each_draft_can_be_observed():
    drafts = iter(
        [
            ["Sure! Here is NAME1."],
            ["NAME7, send it.", "NAME1, send it.", "NAME1, send TICKET1."],
        ]
    )

    def write(texts, retries):
        return {i: [Draft(text, 5, True) for text in next(drafts)] for i in texts}

    results = []
    [kept] = protection.rewrite(
        [("Anna, send PAY-1.", TransformType.SOFTEN, 1)],
        Protection(masks=True, retries=3),
        write,
        accept=lambda _, draft: "Sure" not in draft,
        observe=results.append,
    )
    assert [(result.number, result.outcome, result.missing, result.text) for result in results] == [
        (0, "is no rewrite", (), None),
        (1, "has a wrong mask", (), None),
        (2, "loses facts", ("PAY-1",), "Anna, send it."),
        (3, "keeps all facts", (), "Anna, send PAY-1."),
    ]
    assert results[0].draft == "Sure! Here is NAME1.", "as the model wrote it"
    assert (kept.text, kept.tokens) == (results[3].text, sum(result.tokens for result in results))


# --- a draft while it is written ---------------------------------------------------------------------------

SEEN = ("Anna, fix PAY-123 and PAY-7 by Friday: 14 orders wait.", TransformType.SOFTEN, 1)


def states(draft: str, level: Protection, request: protection.Request = SEEN) -> list[str]:
    """What a reader sees of a draft that comes character by character."""
    seen: list[str] = []
    preview = Preview(lambda: seen.append(preview.text))
    show = protection.show_to(preview, request, level)
    assert not any(show(draft[:end]) for end in range(1, len(draft) + 1))
    return seen


@given(st.lists(st.sampled_from([
    "NAME1", "TICKET1", "ticket2", "TICKET12", "TICKET", "DAY1", "NUMBER1", "NAME", "xNAME1", "直NAME1", " ",
    "da", "Date", "lNUMB", "please", ".", "1", "\n", "Anna", "14",
]), max_size=25))  # fmt: skip
def test_what_is_shown_never_changes_and_is_the_start_of_the_rewrite(parts: list[str]) -> None:
    draft = "".join(parts)
    seen = states(draft, Protection(masks=True))
    assert all(after.startswith(before) for before, after in itertools.pairwise(seen))
    whole = protection.mask(SEEN[0]).restore(draft)
    assert whole is None or not seen or whole.strip().startswith(seen[-1])


def test_a_mask_is_shown_as_its_fact_once_it_is_complete() -> None:
    seen = states("Dear NAME1, TICKET2 waits.", Protection(masks=True))
    assert "Dear" in seen
    assert "Dear Anna," in seen
    assert seen[-1] == "Dear Anna, PAY-7 waits."
    assert not any("NAME" in text or "TICKET" in text for text in seen)


@pytest.mark.parametrize("draft", ["Hello NAME7 there", "Hello NAME there", "Hello lNUMBER there"])
def test_a_draft_that_is_refused_is_shown_no_further(draft: str) -> None:
    for level in (Protection(masks=True), UNPROTECTED):
        assert states(draft, level)[-1].strip() in ("Hello", "Hello l")


def test_who_has_left_ends_the_draft() -> None:
    preview = Preview()
    show = protection.show_to(preview, SEEN, UNPROTECTED)
    assert not show("Dear")
    preview.abandon()
    assert show("Dear Anna")


def test_another_attempt_takes_the_place_of_the_first() -> None:
    preview = Preview()
    show = protection.show_to(preview, SEEN, Protection(masks=True))
    for draft in ("Dear NAME1, we", "Hi", "Hi NAME1."):
        show(draft)
    assert preview.text == "Hi Anna."
