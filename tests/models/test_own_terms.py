"""Terms that are replaced take their grammar with them, and terms that are kept are facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Term, TermRule
from models import own_terms


def keep(term: str) -> Term:
    return Term(term=term, rule=TermRule.KEEP)


def say(wording: str, term: str) -> Term:
    return Term(term=term, rule=TermRule.REPLACE, wording=wording)


@pytest.mark.parametrize(
    ("term", "message", "replaced"),
    [
        (say("customer", "user"), "Users wait, a user waits.", "Customers wait, a customer waits."),
        (say("agent", "user"), "A user left. Is it a new user?", "An agent left. Is it a new agent?"),
        (say("user", "agent"), "AN agent, an agent, an old agent", "A user, a user, an old user"),
        (say("hour", "slot"), "a slot", "an hour"),
        (say("SLO", "target"), "A target of 3, and targets", "An SLO of 3, and SLOs"),
        (say("university", "school"), "an old school and a school", "an old university and a university"),
        (say("umbrella", "school"), "a school", "an umbrella"),
        (say("customer", "user"), "USERS MUST WAIT", "CUSTOMERS MUST WAIT"),
        (say("customer", "user"), "The user's data, the users' data",
         "The customer's data, the customers' data"),
        (say("the wiki", "Confluence"), "Confluence is down. See Confluence.",
         "The wiki is down. See the wiki."),
        (say("GitHub", "github"), "see github and GitHub", "see GitHub and GitHub"),
        (say("customer account", "account"), "The account, not the customer account.",
         "The customer account, not the customer account."),
        (say("お客様", "ユーザー"), "ユーザーが怒っています。", "お客様が怒っています。"),
    ],
)  # fmt: skip
def test_the_grammar_follows(term: Term, message: str, replaced: str) -> None:
    assert own_terms.replace(message, [term]) == replaced


@pytest.mark.parametrize(
    "message",
    [
        "https://x.example/user and ann@user.example",
        "see `user` and\n```\nuser = 1\n```",
        "/home/user/notes and user.csv, user(), user_name, USER-12",
    ],
)
def test_links_addresses_ids_and_code_stay(message: str) -> None:
    assert own_terms.replace(message, [say("customer", "user"), say("A", "USER")]) == message


def test_a_longer_term_that_is_kept_or_explained_stays() -> None:
    terms = [say("customer", "user"), keep("User Guide")]
    assert own_terms.replace("The User Guide for a user", terms) == "The User Guide for a customer"


@given(st.text(max_size=80).map(lambda text: f"{text} the user, an account {text}"))
def test_replacing_again_changes_nothing(message: str) -> None:
    terms = [say("customer", "user"), say("customer account", "account")]
    once = own_terms.replace(message, terms)
    assert own_terms.replace(once, terms) == once


def test_a_kept_term_is_missing_when_the_rewrite_writes_it_otherwise() -> None:
    kept = [keep("iOS"), keep("checkout flow"), keep("Project Harsh")]
    message = "iOS, the checkout flow and Project Harsh"
    assert own_terms.list_missing(message, kept, message) == []
    assert own_terms.list_missing(message, kept, "Checkout flow of Project Harsh, ios") == ["iOS"]
    assert own_terms.list_missing(message, kept, "Nothing") == ["iOS", "checkout flow", "Project Harsh"]
    assert own_terms.list_missing("Nothing", kept, "Nothing") == []


def test_each_use_of_a_kept_term_counts() -> None:
    kept = [keep("SLO")]
    assert own_terms.keeps_all("SLO and SLO", kept, "SLO, SLOs")
    assert not own_terms.keeps_all("SLO and SLO", kept, "SLO")


def test_the_case_of_a_kept_term_comes_back() -> None:
    assert own_terms.restore_case("well, iOS is slow", [keep("iOS")], "IOS is slow") == "iOS is slow"
    assert own_terms.restore_case("IT knows. Do it.", [keep("IT")], "Do it.") == "Do it."
