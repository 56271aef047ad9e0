import pytest

from models.edits import evidence


@pytest.mark.parametrize(
    "text",
    [
        "Take it off the site.",
        "And please sign by Friday.",
        "If it rings, don't answer it.",
        "When you leave, lock the door.",
        "Somebody has to call the shop.",
        "Could you call them?",
        "Bring your own shoes please",
    ],
)
def test_orders_and_requests_are_found(text: str) -> None:
    assert evidence.only_orders(text)


@pytest.mark.parametrize(
    "text",
    [
        "Order 3 is late.",
        "Get in starts at 8.",
        "Change in medication from tonight.",
        "Please note that the window closes on Friday.",
        "If you want to change it there is a form.",
        "If you want to stay you don't need to do anything.",
        "Would you like us to go ahead?",
        "If you need the raw file it's in the folder.",
        "It leaks, so please call them.",
        "Never in the evening.",
    ],
)
def test_words_that_only_look_like_orders_are_none(text: str) -> None:
    assert not evidence.only_orders(text)


@pytest.mark.parametrize(
    "text",
    ["Who presents is open", "I don't have the address yet", "No idea who pays", "The bank hasn't confirmed"],
)
def test_what_is_open_is_found(text: str) -> None:
    assert evidence.leaves_open(text)


@pytest.mark.parametrize(
    "text", ["They must not open the server room", "Where it's unclear do what you can", "Nothing got wet"]
)
def test_words_that_only_look_open_are_none(text: str) -> None:
    assert not evidence.leaves_open(text)
