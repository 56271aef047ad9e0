"""Terms of a dictionary are found as whole words, in their plural, and of those that overlap the longest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Term, TermRule
from data.terms import MOST_FOUND, NO_TERMS, Terms
from tests.edits import growth


def keep(term: str) -> Term:
    return Term(term=term, rule=TermRule.KEEP)


def replace(term: str, wording: str) -> Term:
    return Term(term=term, rule=TermRule.REPLACE, wording=wording)


def found(message: str, *terms: str) -> list[str]:
    """What is found of these terms, as the message writes it."""
    return [message[place.start : place.end] for place in Terms(map(keep, terms)).find(message)]


@pytest.mark.parametrize(
    ("message", "term", "words"),
    [
        ("The user is here. Users wait.", "user", ["user", "Users"]),
        ("Every story, all stories, a bus and buses", "story", ["story", "stories"]),
        ("superuser, users2, user_id, useful", "user", []),
        ("multi-user, @user, api.user, user.name, #user", "user", []),
        ("user-facing, the user's, (user) “user”, user/admin, user.", "user", ["user"] * 6),
        ("iOS, not IOS and not ios", "iOS", ["iOS"]),
        ("SLO, SLOs, slo, SLOW", "SLO", ["SLO", "SLOs"]),
        ("C is not C++, C# or C.", "C", ["C", "C"]),
        ("C++ is not C++11, but C++.", "C++", ["C++", "C++"]),
        (".NET and ASP.NET", ".NET", [".NET"]),
        (
            "the check out\nflow, the check\u00a0out flow",
            "check out flow",
            ["check out\nflow", "check\u00a0out flow"],
        ),
        ("the customer’s view", "customer's view", ["customer’s view"]),
        ("İstanbul user", "user", ["user"]),
    ],
)
def test_english_terms(message: str, term: str, words: list[str]) -> None:
    assert found(message, term) == words


@pytest.mark.parametrize(
    ("message", "term", "words"),
    [
        ("ユーザーがログインします。", "ユーザー", ["ユーザー"]),
        ("スーパーユーザーとユーザーズ", "ユーザー", []),
        ("顧客は顧客情報を、新規顧客の顧客側で", "顧客", ["顧客", "顧客"]),
        ("お客様のSLOを確認", "SLO", ["SLO"]),
        ("お客様へ、お客様方", "お客様", ["お客様"]),
        ("みらい会議は、みらい会議室", "みらい会議", ["みらい会議"]),
        ("さくらの件、さくらんぼ", "さくら", ["さくら"]),
    ],
)
def test_japanese_terms(message: str, term: str, words: list[str]) -> None:
    assert found(message, term) == words


def test_of_terms_that_overlap_the_first_is_found_and_of_those_that_begin_together_the_longest() -> None:
    assert found("the new user account page", "user", "user account", "new user", "account page") == [
        "new user",
        "account page",
    ]
    assert found("the user account page", "user", "user account") == ["user account"]


def test_a_term_of_its_own_is_no_plural_of_another() -> None:
    user, users = keep("user"), replace("users", "people")
    [place] = Terms([user, users]).find("All users agree.")
    assert (place.term, place.is_plural) == (users, False)


def test_what_is_said_instead_is_not_replaced_again() -> None:
    terms = Terms([replace("account", "customer account")])
    assert [place.start for place in terms.find("The customer account, and the account.")] == [30]


def test_the_first_of_equal_spellings_applies() -> None:
    own, shared = keep("SLO"), replace("slo", "goal")
    [place] = Terms([own, shared]).find("The SLO holds.")
    assert place.term is own


def test_an_excerpt_has_each_term_once_and_is_named_by_all_of_them() -> None:
    terms = Terms([keep("SLO"), replace("user", "customer"), keep("CRM")])
    excerpt = terms.excerpt("A user, the SLO, a user.")
    assert [term.term for term in excerpt.terms] == ["user", "SLO"]
    assert terms.excerpt("Nothing here.") is NO_TERMS
    others = [
        terms.excerpt("A user."),
        Terms([keep("SLO"), replace("user", "client")]).excerpt("A user, the SLO."),
        Terms([keep("SLO"), keep("user")]).excerpt("A user, the SLO."),
    ]
    assert len({excerpt.digest, *(other.digest for other in others)}) == 4
    assert terms.excerpt("Two users, two SLOs.").digest == excerpt.digest


def test_a_message_has_at_most_so_many_terms() -> None:
    words = [f"word{number}x" for number in range(MOST_FOUND + 5)]
    assert len(Terms(map(keep, words)).excerpt(" ".join(words)).terms) == MOST_FOUND


@given(
    st.text(max_size=60), st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), max_size=5)
)
def test_places_are_in_order_apart_and_say_the_term(message: str, words: list[str]) -> None:
    terms = [keep(word) for word in words]
    end = 0
    for place in Terms(terms).find(message):
        assert end <= place.start < place.end <= len(message)
        said = message[place.start : place.end].lower().replace("’", "'")
        assert place.is_plural or said.replace("\n", " ").replace("\u00a0", " ") == (
            place.term.term.lower().replace("’", "'")
        )
        end = place.end


@pytest.mark.parametrize("piece", ["the user of the SLO ", "a", "user", "ユーザーの顧客が", "a-", " '"])
def test_the_work_grows_with_the_length(piece: str) -> None:
    terms = Terms(map(keep, ["user", "SLO", "the user of", "顧客", "ユーザー", "a"]))
    assert growth(terms.find, piece) < 9
