import pytest

from models.edits import soften
from tests.edits import rewritten


def rewrite(message, intensity):
    return rewritten(message, soften.propose(message), intensity)


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("Still no answer to my mail.", "Unfortunately, there is still no answer to my mail."),
        ("I have written to you four times.", "Unfortunately, I have written to you four times."),
        ("Bins not emptied since Monday.", "Unfortunately, bins are not emptied since Monday."),
        ("You can't just take the van.", "I'd ask you not to take the van."),
        ("You don't have that authority.", "I don't think you have that authority."),
        ("You're late again.", "It looks like you are late again."),
        ("Parking here is not allowed.", "Please note that parking here is not allowed."),
        ("That's not how we do it here.", "I think we usually do this differently."),
        ("Don't make me say it again.", "I'd rather not have to say it again."),
        ("Without asking me.", "I would have liked to be asked first."),
        ("Seven of you didn't send them.", "Unfortunately, seven of you didn't send them."),
        ("If you want the hall you book it.", "If you want the hall, please book it."),
        ("Your mistake, your form.", "I think this is on your side."),
        ("And you wonder why he left.", "And I think this is why he left."),
        ("You let a visitor in without a badge.", "I think you let a visitor in without a badge."),
        ("I have no idea what this is.", "I'm not sure what this is."),
        ("I assume nobody opened it.", "It seems that nobody opened it."),
        ("This should have been caught.", "It would have helped if this had been caught."),
    ],
)
def test_a_complaint_about_answers_rules_or_deeds_becomes_milder(message, softened):
    assert rewrite(message, 1) == softened


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("Whose job is that? Yours.", "I understood that to be your job."),
        ("How do you keep losing it?", "Could you tell me why you keep losing it?"),
        ("Do I have to explain this again?", "I'd rather not have to explain this again."),
        ("You call that a report?", "I had hoped for a bit more from this report."),
        ("That excuse again?", "I believe I have heard this before."),
        ("Whose script was that?", "Could you tell me whose script that was?"),
        ("Did you just go home?", "Could you tell me if you went home?"),
    ],
)
def test_a_question_that_blames_asks_or_states_without_contempt(message, softened):
    assert rewrite(message, 2) == softened


@pytest.mark.parametrize(
    "message",
    [
        "You don't have to come.",
        "You are not affected.",
        "You asked me for the link.",
        "Two of you are needed from the start.",
        "The milk order is here.",
        "No milk, no sugar.",
        "Nothing was lost, no rush.",
        "dispatch said 7.30",
        "get in starts at 8",
        "Suggest we hide the slot.",
        "Nobody was hurt.",
        "Do you want to reach the night shift?",
    ],
)
def test_a_plain_sentence_with_words_of_blame_stays(message):
    assert rewrite(message, 2).removesuffix("?").rstrip(".") == message.removesuffix("?").rstrip(".")


def test_what_the_reader_cannot_do_is_no_request():
    assert rewrite("You can't send mail in that time.", 2) == "I'm afraid you can't send mail in that time."


def test_a_fact_on_what_is_the_readers_gets_regret_and_no_doubt():
    assert rewrite("Your claim is rejected.", 1) == "Unfortunately, your claim is rejected."
    assert rewrite("Your team ignored the alarm.", 1) == "I think your team ignored the alarm."


def test_jabs_inside_a_sentence_go_and_its_request_stays():
    assert "Please read it first." in rewrite("It is wrong. Read it before you waste my time with this.", 1)
    assert "so that I don't have to say it again" in rewrite("Move it and don't make me say it again.", 2)
    assert "by 11? 11." in rewrite("I need it by 11, not when you get round to it. 11.", 2)


def test_thanks_to_the_reader_go_only_where_they_blame():
    assert rewrite("Lock the shed. Two bikes gone, thanks to you.", 2).endswith("Two bikes gone.")
    assert rewrite("Lock the shed. It works now, thanks to you.", 2).endswith("It works now, thanks to you.")
    assert "once you think about it" in rewrite("Call me once you think about it.", 2)


def test_blame_is_hedged_in_a_message_that_has_a_please():
    message = "You never answer. Please call me."
    assert rewrite(message, 2) == "It looks like you never answer. Could you please call me?"


def test_an_order_with_kindly_becomes_a_question():
    assert rewrite("Kindly refrain from parking here.", 1) == "Could you refrain from parking here?"


def test_a_term_in_capitals_stays_and_a_loud_word_becomes_calm():
    assert "NOT NULL column" in rewrite("You added a NOT NULL column and broke it.", 2)
    assert rewrite("It is NOT ready.", 1) == "Unfortunately, it is not ready."


def test_a_time_behind_a_dash_stays_in_the_question():
    assert rewrite("Send them - now.", 1) == "Could you send them - now?"
