"""Shorten: what goes at which level, what stays, and that every edit is safe."""

import json
import re
from pathlib import Path

import pytest
import yaml

from models.edits import script, shorten
from models.edits.script import Edit
from models.edits.shorten import phrases as shorten_phrases
from tests.edits import growth, rewritten

CORPUS = Path(__file__).parents[3] / "data/seed/edits/english.jsonl"


def written(message: str, intensity: int = 3) -> str:
    return rewritten(message, shorten.propose(message), intensity)


@pytest.fixture(scope="module")
def messages() -> list[str]:
    return [json.loads(line)["text"] for line in CORPUS.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def proposals(messages: list[str]) -> dict[str, list[Edit]]:
    return {message: edits for message in messages if (edits := shorten.propose(message))}


@pytest.fixture(scope="module")
def results(proposals: dict[str, list[Edit]]) -> dict[str, list[str]]:
    """The results at intensity 1, 2 and 3."""
    return {
        message: [rewritten(message, edits, intensity) for intensity in (1, 2, 3)]
        for message, edits in proposals.items()
    }


def test_fillers_go_at_level_1_and_the_next_word_gets_their_capital() -> None:
    message = "By the way, the meeting is moved to Room 4, and to be honest I like it better."
    assert written(message, 1) == "The meeting is moved to Room 4, and I like it better."
    assert written("anyway, long story short, the deploy failed.", 1) == "the deploy failed."


def test_an_opening_that_only_announces_goes() -> None:
    assert written("Just wanted to let you know that the report is done.", 1) == "The report is done."
    assert written("The thing is that the key is lost.", 1) == "The key is lost."
    assert written("I noticed that the light in room 5 is on.", 1) == "The light in room 5 is on."


def test_that_stays_where_it_is_no_conjunction() -> None:
    for message in ("I noticed that too.", "Please note that down.", "I saw that one."):
        assert written(message) == message
    assert "that" in written("I wanted to let you know that it is done and that it is on the drive.", 1)


def test_an_indirect_question_becomes_a_question() -> None:
    assert written("I was wondering if you could send it by Friday.", 1) == "Could you send it by Friday?"
    assert written("I wanted to ask if we can meet.", 1) == "Can we meet?"
    assert written("What I wanted to ask is whether you could come.", 1) == "Could you come?"
    two = "I was wondering whether it is possible to get a refund, and who I should ask."
    assert written(two, 1) == two


def test_a_wish_for_an_act_becomes_a_request() -> None:
    assert written("It would be great if you could check the list.", 1) == "Please check the list."
    assert written("If you could send it by noon, that would be great.", 2) == "Please send it by noon."
    assert written("I'd like to ask you to close the windows.", 1) == "Please close the windows."


def test_wordy_phrases_become_short_ones() -> None:
    message = "In order to finish we need it, due to the fact that they have a total of 42 rooms."
    assert written(message, 1) == "To finish we need it, because they have 42 rooms."
    assert written("Give Marta a call prior to 5 pm.", 2) == "Call Marta before 5 pm."
    assert written("We are not able to open the file.", 3) == "We can't open the file."


def test_an_aside_goes_with_the_commas_that_belong_to_it() -> None:
    assert written("The supplier, of all things, sent a box.", 2) == "The supplier sent a box."
    assert written("He is, to be fair, good at this.", 1) == "He is good at this."
    assert (
        written("I forgot the form, sorry about that, and it rained.", 2)
        == "I forgot the form, and it rained."
    )
    assert written("They liked the search, which was a nice surprise.", 2) == "They liked the search."
    assert written("The form is, quite frankly, confusing.", 1) == "The form is confusing."
    assert (
        written("It seems fine again, don't ask me why, might be luck.", 2)
        == "It seems fine again, might be luck."
    )
    assert written("Rania, sorry, I cleaned it.", 2) == "Rania, I cleaned it."


def test_a_sentence_of_apologies_or_feelings_goes_but_never_the_last_one() -> None:
    assert written("Sorry for the long mail. The gate is open.", 1) == "The gate is open."
    assert written("I'm so tired of this. The build is red.", 2) == "The build is red."
    assert written("Sorry for the long mail.", 3) == "Sorry for the long mail."


def test_brackets_go_only_without_facts_and_needs() -> None:
    assert written("Like everyone (me included) I waited.", 2) == "Like everyone I waited."
    for kept in (
        "Bring the box (I think 4 pm).",
        "Take it (only if dry).",
        "The tiles (sand instead of stone).",
    ):
        assert written(kept, 2) == kept


def test_a_question_to_the_recipient_becomes_a_short_request() -> None:
    message = "Could you please fix it by Friday?"
    assert written(message, 2) == "Could you fix it by Friday?"
    assert written(message, 3) == "Please fix it by Friday."
    assert written("Could you please not deploy it?", 3) == "Please don't deploy it."


def test_a_question_about_ability_or_with_a_choice_stays_a_question() -> None:
    for message in ("Can you make it at 5?", "Can you hear me?", "Could you call or write?"):
        assert written(message) == message


def test_going_to_is_shortened_only_before_a_verb() -> None:
    assert written("We are going to need it.", 3) == "We will need it."
    assert written("They're not going to like it.", 3) == "They won't like it."
    assert (
        written("We're going to Berlin, she's going to the fair.", 3)
        == "We're going to Berlin, she's going to the fair."
    )


def test_negations_keep_their_words() -> None:
    for message in (
        "It is not really urgent.",
        "I don't really like it.",
        "It's not very good.",
        "Not at all.",
    ):
        assert re.findall(r"not|n't|really|very|at all", written(message)) == re.findall(
            r"not|n't|really|very|at all", message
        )


def test_a_contraction_never_strands_its_verb_and_leaves_capitals_alone() -> None:
    for message in (
        "I know who he is.",
        "Keep them as they are but dry.",
        "We do NOT ship.",
        "We have a plan.",
    ):
        assert written(message) == message
    assert written("I do not agree.") == "I don't agree."


def test_an_article_fits_the_word_that_follows() -> None:
    assert written("It is an extremely bad idea.", 2) == "It is a bad idea."
    assert written("We can of course wait.", 1) == "We can wait."


def test_an_object_is_not_contracted_with_the_verb_after_it() -> None:
    assert (
        written("Partners who still use it will get an error.")
        == "Partners who still use it will get an error."
    )


def test_the_reason_of_a_request_goes_and_the_reason_of_an_event_stays() -> None:
    assert written("Please call Marek, because I'm on a plane.") == "Please call Marek."
    assert written("The job failed because the disk was full.") == "The job failed because the disk was full."
    assert written("Don't close it because it looks done.") == "Don't close it because it looks done."


def test_a_reason_in_its_own_sentence_joins_the_sentence_before() -> None:
    message = "The door is broken. The reason for this is that the hinge is gone."
    assert written(message) == "The door is broken, because the hinge is gone."


def test_phrases_that_look_like_fillers_stay() -> None:
    for message in (
        "Any way you like.",
        "Right after lunch we meet.",
        "Well done everyone!",
        "He goes up until dark.",
        "We go whether or not it rains.",
        "Just the blue ones.",
        "We have to be honest about it.",
        "It was important to be honest.",
        'He wrote "to be honest, it is bad" in it.',
    ):
        assert written(message) == message


def test_a_higher_level_leaves_no_more_words(results: dict[str, list[str]]) -> None:
    for message, versions in results.items():
        words = [len(version.split()) for version in (message, *versions)]
        assert words == sorted(words, reverse=True), versions


def test_every_edit_of_the_corpus_applies_and_keeps_the_facts(proposals: dict[str, list[Edit]]) -> None:
    assert sum(map(len, proposals.values())) > 700
    for message, edits in proposals.items():
        for edit in edits:
            assert script.keeps_facts(message, edit), (message, edit)
            assert script.apply(message, [edit]) != message, (message, edit)


def test_no_result_has_a_lonely_mark_or_starts_small(results: dict[str, list[str]]) -> None:
    for message, versions in results.items():
        for version in versions:
            assert not re.search(r",\s*[,.]|\s,|\s\(\s?\)|^[,;:]", version), version
            assert not version[0].islower() or not message[0].isupper(), version


def test_the_list_of_rules_is_closed(proposals: dict[str, list[Edit]]) -> None:
    families = yaml.safe_load(shorten_phrases.FILE.read_text(encoding="utf-8"))
    assert {f"shorten.{family['rule']}" for family in families} <= shorten.RULES
    assert {edit.rule for edits in proposals.values() for edit in edits} <= shorten.RULES
    assert len(shorten.RULES) <= 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "to be honest, ",
        "could you please ",
        "I was wondering if you could ",
        "( a b ",
        "so ",
        "sorry, ",
        "because I ",
        ", which I ",
        "Again. ",
        "    ",
        "the x that we ",
        "it is, mostly a ",
        "it is, a ",
        "I looked at the a and ",
        "I talked to a, ",
        "we read for most of the ",
    ],
)
def test_a_text_of_twice_the_length_takes_about_twice_the_work(piece: str) -> None:
    assert growth(shorten.propose, piece) < 9


@pytest.mark.parametrize(
    ("message", "shorter"),
    [
        ("Just so everyone's in the loop, the gate is open.", "The gate is open."),
        ("As you may know, the gate is open.", "The gate is open."),
        ("A gentle reminder that the gate closes early.", "The gate closes early."),
        ("As I was walking through after lunch I noticed that Door 3 is open.", "Door 3 is open."),
        ("The gate is shut, which means that we wait.", "The gate is shut, so we wait."),
        ("What I need is the list.", "I need the list."),
        ("There are two people who want to join.", "Two people want to join."),
        ("The list that we sent is the old one.", "The list we sent is the old one."),
        ("I don't want to be that person, but the gate is open.", "The gate is open."),
        ("If he comes, then we start.", "If he comes, we start."),
        ("It is really, really late.", "It's really late."),
        ("Do you want me to wait?", "Should I wait?"),
    ],
)
def test_each_family_shortens(message: str, shorter: str) -> None:
    assert written(message) == shorter


@pytest.mark.parametrize(
    ("message", "shorter"),
    [
        ("Many thanks for the drafts, which we liked a lot.", "Many thanks for the drafts."),
        ("The fan is loud, making talks hard.", "The fan is loud."),
        ("Comments were harsh, mostly about the app.", "Comments were harsh."),
        ("We sell fruit (for example pears and plums).", "We sell fruit."),
        ("I looked at the page, sorry that it took me so long.", "I looked at the page."),
        ("We looked at the logs for most of the afternoon.", "We looked at the logs."),
        ("I read the draft yesterday.", "I read the draft."),
        ("I talked to Ana and she said yes.", "Ana said yes."),
        ("I've been thinking about the corner and it isn't working.", "The corner isn't working."),
        ("I looked at the page, and it's broken.", "The page is broken."),
    ],
)
def test_a_detail_goes(message: str, shorter: str) -> None:
    assert written(message, 3) == shorter


@pytest.mark.parametrize(
    "message",
    [
        "The gate is shut, which means 2 of us wait.",
        "Take the second van, which you must lock.",
        "We need a desk, with a lamp.",
        "I suggest one person goes, with a badge.",
        "We bring bread, cold milk, and eggs.",
        "If you are sick, stay at home.",
        "The page has been down since yesterday.",
        "The page was down yesterday.",
        "I talked to them and they agreed.",
        "If you get calls, say that nothing changes, and be kind.",
    ],
)
def test_what_looks_like_a_detail_stays(message: str) -> None:
    accepted = [edit for edit in shorten.propose(message) if edit.rule.startswith("shorten.")]
    details = ("describes", "follows", "modifier", "phrase_unsure", "example", "effort", "past_time", "spoke")
    assert [edit for edit in accepted if edit.rule.removeprefix("shorten.") in details] == []
