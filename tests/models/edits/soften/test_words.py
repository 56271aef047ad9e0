import pytest

from models.edits import soften
from tests.edits import rewritten

LATE = "The order was late again. "


def rewrite(message, intensity=2):
    return rewritten(message, soften.propose(message), intensity)


@pytest.mark.parametrize(
    ("jab", "softened"),
    [
        ("How hard is it to close the gate.", "Could you close the gate?"),
        ("Next time you explain it to Ana yourself.", "Next time I'd ask you to explain it to Ana yourself."),
        ("Sort yourselves out on nights.", "I'd ask you to get things in order on nights."),
        (
            "Perhaps next term you could try treating it as a rule.",
            "Next term, could you treat it as a rule?",
        ),
        ("Maybe you should read the manual.", "Could you read the manual?"),
        ("I keep saying this and nobody listens.", "I have had to bring this up several times."),
        ("The boxes won't move themselves.", "The boxes still need to be moved."),
        ("If you can't follow a recipe maybe you shouldn't cook.", "Please make sure to follow the recipe."),
        ("I don't have time to chase grown men.", "I'd prefer not to have to chase people."),
        ("Either send it today or say why not.", "I'd ask you to either send it today or say why not."),
        ("It's your mess, you clean it.", "Could you clean it?"),
        ("Whose bright idea was it to move it?", "Could you tell me who decided to move it?"),
        ("I hope you have a good explanation.", "I'd like to understand how this happened."),
        ("You didn't even read the ticket.", "It looks like you did not have a chance to read the ticket."),
        ("You call this clean?", "I don't think that this is clean yet."),
        ("This had better be fixed by noon.", "Could this be fixed by noon?"),
    ],
)
def test_a_jab_becomes_what_it_asks_or_says(jab, softened):
    assert softened.lower()[2:] in rewrite(LATE + jab).lower()


@pytest.mark.parametrize(
    "message",
    [
        "How hard is it to migrate the table? I have no idea.",
        "Either way is fine with me.",
        "Either call or email is fine.",
        "If you can't close the deal by Friday, please tell Ana.",
        "You can call me on my mobile.",
        "Some of us would like to go to the quiz on Friday, thank you for asking.",
        "It takes 30 seconds to boot.",
        "Pick accuracy on your team was 91% last week.",
        "Follow ups: the lock, the backup, the alerts.",
        "Use your badge at the gate, the old code is gone.",
        "She said that the team is off the project.",
    ],
)
def test_a_plain_sentence_that_looks_like_a_jab_keeps_its_meaning(message):
    text = rewrite(message)
    for wrong in ("could you migrate", "ask you to either", "make sure to", "could you call me", "we would"):
        assert wrong not in text.lower()
    for wrong in ("could you pick", "please pick", "please follow", "follow ups?", "careful", "no place"):
        assert wrong not in text.lower()
    assert "boot" in text or "boot" not in message


@pytest.mark.parametrize(
    ("words", "softened"),
    [
        ("It looks like shit.", "It doesn't look right."),
        ("The soup tasted like crap.", "The soup didn't taste right."),
        ("It made us look like idiots.", "It put us in a difficult position."),
        ("The moron who parked there must move.", "The person who parked there must move."),
        ("Close the door, for fuck's sake.", "close the door."),
        ("Move your shit.", "move your things."),
        ("WTF is this invoice?", "What is this invoice?"),
        ("He is a complete dickhead.", "He is not easy to work with."),
        ("Do it properly, dumbass.", "do it properly."),
        ("They think they're too good for clips.", "They don't see the need for clips."),
    ],
)
def test_swearing_and_insults_go_at_every_level(words, softened):
    harsh = ("shit", "crap", "idiot", "moron", "fuck", "wtf", "dickhead", "dumbass", "too good")
    assert softened in rewrite(LATE + words, 1)
    for intensity in (1, 2, 3):
        assert not any(word in rewrite(LATE + words, intensity).lower() for word in harsh)


def test_what_does_not_matter_is_said_without_contempt():
    message = "I'm not sending them to line 3 and I don't care what the plan says."
    assert "line 3, regardless of what the plan says." in rewrite(message)
    assert "even if it rains" in rewrite("We are not stopping the work and I don't care if it rains.")


def test_a_threat_to_a_person_becomes_a_regretted_result():
    message = "If I see one more of them without a helmet they're off my site for good."
    assert "there is no place for them on my site any more" in rewrite(message, 1)
    assert "I'm afraid your firm is off the site." in rewrite(
        "If I catch it again your firm is off the site."
    )
