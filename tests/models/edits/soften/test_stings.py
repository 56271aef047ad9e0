import pytest

from data.records import TransformType
from models.edits import script, soften, writer
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
        ("Fix the door. Call Marek before you start.", "Call Marek before you start."),
        ("The pump is loud. It was at 90 decibels.", "It was at 90 decibels."),
        ("This is late. Could you send it today?", "Could you send it today?"),
        ("This is late. Somebody needs to call the client.", "Somebody needs to call the client."),
        ("I read the offer. I won't sign it.", "I won't sign it."),
        ("Who did this? Yours is the only key.", "Yours is the only key"),
        ("Whose job is that? Yours. So do it.", "Whose job is that?"),
        ("This text is useless. Did you sleep?", "This text is useless."),
        ("It leaked and I had to mop the floor.", "and I had to mop the floor"),
        ("- Is this a zoo?\n- The floor is wet.", "Is this a zoo?"),
        ('The sign says "Are you blind?" and that is rude.', "Are you blind?"),
    ],
)
def test_a_request_a_fact_a_refusal_and_a_verdict_are_not_proposed(message, needed):
    assert needed not in stings(message)


def test_a_name_that_a_sting_addresses_joins_the_sentence_next_to_it():
    first = "It must be nice to sleep in, Delphine. The rest of us open at 6."
    assert without_stings(first, 1) == "Delphine, the rest of us open at 6."
    last = "You sold the van. You surely have a plan for this, Marek. We need it by 6."
    assert "sold the van, Marek." in without_stings(last, 2)
    assert rewrite("The cup is gone. I have no words, Marek. It was new.", 1).endswith(
        "gone, Marek. It was new."
    )


def test_something_of_the_message_always_remains():
    message = "Are you joking? Do you ever sleep, or do you just lie there?"
    for intensity in (1, 2, 3):
        assert len(without_stings(message, intensity)) > 10


def test_an_accusing_question_at_the_end_becomes_a_request_where_nothing_else_asks():
    message = "Bed 14 has been waiting since 10:20. Are they asleep down there?"
    assert without_stings(message, 2) == "Bed 14 has been waiting since 10:20."
    assert "Could you please look into it?" in without_stings(message, 3)
    asked = "Please send somebody to bed 14. Are they asleep down there?"
    assert "look into it" not in without_stings(asked, 3)


def test_an_end_is_cut_and_the_mark_fits_the_rest():
    message = "We waited for an hour, are you proud of it?"
    assert without_stings(message, 2).endswith("waited for an hour.")
    assert ", like some circus act" in stings("The rack came down, like some circus act.")


def test_a_higher_intensity_keeps_the_deletions_of_a_lower_one():
    message = "The bread is burnt. Did a dragon help you? Bake it again by 6."
    levels = [edit.level for edit in soften.propose(message) if edit.rule == "soften.sting_sentence_unsure"]
    assert max(levels) == 3
    assert all("dragon" not in without_stings(message, intensity) for intensity in (2, 3))


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


@pytest.mark.parametrize(
    "piece", ["a, and b ", "is it, or ", "x; y ", "no? ", "like a like b ", "as you as last year, "]
)
def test_the_work_on_stings_does_not_grow_faster_than_the_text(piece):
    assert growth(soften.propose, piece) < 9


def test_the_proposals_keep_every_fact():
    message = "Ticket 4411 is open. Must I dance for it? Ana waited until 10:30, as usual."
    for edit in writer.propose(message, TransformType.SOFTEN) or []:
        assert script.keeps_facts(message, edit)
