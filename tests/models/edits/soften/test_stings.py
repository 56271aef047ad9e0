import pytest

from data.records import TransformType
from models.edits import script, soften, writer
from models.edits.soften.stings import RULES
from tests.edits import growth, rewritten


def rewrite(message, intensity):
    return rewritten(message, soften.propose(message), intensity)


def without_stings(message, intensity):
    """The rewrite if the tagger took every deletion for right."""
    return rewritten(message, soften.propose(message), intensity, lambda edit: True)


def stings(message):
    """The words that are proposed for deletion."""
    edits = script.keep_facts(message, soften.propose(message))
    return {message[edit.start : edit.end].strip() for edit in edits if edit.rule.startswith("soften.sting_")}


def test_nothing_is_deleted_unless_the_tagger_says_so():
    message = "The bread is burnt. Did a dragon help you? Bake it again by 6."
    assert "dragon" in rewrite(message, 3)
    assert "dragon" not in without_stings(message, 2)


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        ("The pump is loud. It was at 90 decibels.", "It was at 90 decibels."),
        ("Ask Marek, he knows why.", "Ask Marek,"),
        ("This is late. Split it or I'm not looking at it.", "Split it or I'm not looking at it."),
        ("This is late. Could you send it today?", "Could you send it today?"),
        ("It would be nice if some of you had the score 12 open.", "It would be nice"),
        ("Your plan is, I am afraid, a heap of platitudes.", "a heap of platitudes"),
        ('The sign says "Are you blind?" and that is rude.', "Are you blind?"),
    ],
)
def test_what_is_needed_and_what_the_rest_hangs_on_is_not_proposed(message, needed):
    assert stings("Are you blind? It is late. We wait.")
    assert needed not in stings(message)


def test_what_depends_on_a_clause_goes_with_it():
    assert without_stings("It is 9. You could try because you never do. We wait.", 2) == "It is 9."
    assert "because you never do" in stings("It is 9. You could try because you never do. We wait.")


def test_nobody_is_thanked_for_a_request_that_goes():
    message = "The bread is raw. Could you bake it again today?"
    thanks = next(edit for edit in soften.propose(message) if edit.rule == "soften.thanks")
    request = script.Edit("test.deletion", 1, (script.Change(17, len(message), ""),))
    assert soften.without_idle_thanks(message, [thanks]) == [thanks]
    assert soften.without_idle_thanks(message, [request, thanks]) == [request]


def test_something_of_the_message_always_remains():
    message = "Are you joking? Do you ever sleep, or do you just lie there?"
    for intensity in (1, 2, 3):
        assert len(without_stings(message, intensity)) > 10


def test_the_mark_fits_the_rest():
    message = "We waited for an hour on 5 May, are you proud of it?"
    assert without_stings(message, 2).endswith("5 May.")
    question = "When will the 9 boxes arrive, or is that a secret?"
    assert without_stings(question, 2).endswith("arrive?")
    whole = "It was 9 then. You lot, are you proud of it? It is 10 now."
    assert without_stings(whole, 2) == "It was 9 then. It is 10 now."


def test_each_level_is_a_decision_of_its_own():
    message = "The bread is burnt. Did a dragon help you? Bake it again by 6."
    edits = [edit for edit in soften.propose(message) if "dragon" in message[edit.start : edit.end]]
    assert {(edit.level, edit.rule) for edit in edits} >= set(RULES.items())
    from_two = rewritten(message, edits, 2, lambda edit: edit.rule == RULES[2])
    assert "dragon" not in from_two
    assert "dragon" in rewritten(message, edits, 1, lambda edit: edit.rule == RULES[2])


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("Why are you people hiding it?", "Can you tell me why you are hiding it?"),
        ("This headline is lame.", "This headline is not working for me yet."),
        ("I'll remind you one final time that we close at 8.", "This is a reminder that we close at 8."),
        (
            "Third box today with the wrong lid.",
            "Unfortunately, this is the third box today with the wrong lid.",
        ),
        ("Papers without a stamp go straight in the bin.", "Papers without a stamp can't be accepted."),
        ("It is torn and you'd have seen that if you had looked.", "It is torn."),
        (
            "Whichever idiot left the gate open, I had to run.",
            "Somebody left the gate open, and I had to run.",
        ),
        ("Do not waste my time.", "Do not take up so much of my time."),
        ("Nobody told me.", "Unfortunately, nobody told me."),
    ],
)
def test_harsh_words_of_many_authors_become_plain(message, softened):
    assert rewrite(message, 1) == softened


def test_the_writer_does_not_doubt_who_came_to_them():
    assert "looks like" not in rewrite("No one called me back.", 3)
    assert "looks like" in rewrite("Nobody locked the door.", 2)


def test_an_idiom_without_information_goes():
    kept = "The offer is gone."
    for idiom in (
        "Let me get this straight.",
        "What do we pay you a salary for?",
        "Do you guys own a calendar?",
        "It makes you look as if you can't think.",
        "If you can't cook, get out of the kitchen.",
    ):
        assert idiom[:-1] not in rewrite(f"{kept} {idiom}", 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["a, and b ", "is it, or ", "x; y ", "no? ", "like a like b ", "as you as last year, "]
)
def test_the_work_on_stings_does_not_grow_faster_than_the_text(piece):
    assert growth(soften.propose, piece) < 9


def test_the_proposals_keep_every_fact():
    message = "Ticket 4411 is open. Must I dance for it? Ana waited until 10:30, as usual."
    for edit in writer.propose(message, TransformType.SOFTEN) or []:
        assert script.keeps_facts(message, edit)


def test_an_accusing_question_at_the_end_becomes_a_request_where_nothing_else_asks():
    message = "Bed 14 has been waiting since 10:20. Are they asleep down there?"
    assert without_stings(message, 2) == "Bed 14 has been waiting since 10:20."
    assert "Could you please look into it?" in without_stings(message, 3)
    asked = "Please send somebody to bed 14. Are they asleep down there?"
    assert "look into it" not in without_stings(asked, 3)
