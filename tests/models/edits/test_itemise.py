from models.edits import itemise


def test_things_after_need_are_items() -> None:
    text = "New students need a card from the porter, an account, and the talk on Thursday"
    assert itemise.things(text) == itemise.Entry(
        "New students need:", ("a card from the porter", "an account", "the talk on Thursday")
    )


def test_a_clause_is_no_item() -> None:
    assert itemise.things("The band wants a stage, the lights off, and the caterer serves at ten") is None
    assert itemise.things("We need a quad, must tow 600 kg, fit on the trailer") is None


def test_two_things_are_a_list_only_if_the_line_says_so() -> None:
    assert itemise.things("Bugs: the boat floats and the music stops") is None
    assert itemise.things("Two wishes: a picture for step 4 and a note") == itemise.Entry(
        "Two wishes:", ("a picture for step 4", "a note")
    )


def test_a_plural_before_a_verb_is_its_subject() -> None:
    text = "If it's late the guards open the gate, lock the shed"
    assert itemise.entry(text) == itemise.Entry(text)


def test_what_holds_otherwise_is_no_item() -> None:
    text = "If you were there, call me, tell Ann, otherwise there is nothing to do"
    assert itemise.entry(text) == itemise.Entry(text)


def test_a_sentence_with_a_verb_does_not_only_name_things() -> None:
    assert itemise.bare_things("60 cups a day, oat milk option, no lids.") == [
        "60 cups a day",
        "oat milk option",
        "no lids",
    ]
    assert itemise.bare_things("It has to be red, oat milk option, no lids.") == []


def test_what_happens_when_something_happens_is_items() -> None:
    text = (
        "When someone leaves, the boss tells HR, HR confirms the day, IT closes the account, otherwise we pay"
    )
    assert itemise.entry(text) == itemise.Entry(
        "When someone leaves:",
        ("The boss tells HR", "HR confirms the day", "IT closes the account, otherwise we pay"),
    )
    text = "When we met, the boss, who is new, was late, and it rained"
    assert itemise.entry(text) == itemise.Entry(text)


def test_a_relative_clause_stays_with_its_item() -> None:
    text = "For 10:30 we need the witness list, which Ana writes, two bundles printed, and a taxi for counsel"
    assert itemise.things(text) == itemise.Entry(
        "For 10:30 we need:",
        ("the witness list, which Ana writes", "two bundles printed", "a taxi for counsel"),
    )


def test_only_an_order_is_an_item_under_an_if() -> None:
    text = "If she gets worse ring 0155 not the mobile, feed lorry due Friday"
    assert itemise.entry(text) == itemise.Entry(text)
