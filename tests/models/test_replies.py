import pytest

from models.chat import Chat
from models.endpoint import ChatError, Endpoint, Question
from models.replies import EndpointDownError, LimitReachedError, Replies
from tests import endpoints

HELLO = Question("", "Hello", max_tokens=20)
FAILED = (404, {}, "")


@pytest.fixture
def endpoint():
    with endpoints.serve(str.upper) as fake:
        yield fake


@pytest.fixture
def connect(endpoint):
    """`connect(**fields)`: a chat with the fake endpoint."""
    chats = []

    def make(**fields):
        chats.append(Chat(Endpoint(**{"base_url": endpoint.url, "model": "m", "timeout_s": 60, **fields})))
        return chats[-1]

    yield make
    for chat in chats:
        chat.close()


@pytest.fixture
def open_file(tmp_path):
    """`open_file()`: the replies in the file of this test."""

    def make(most_questions=1000, most_tokens=10**6):
        return Replies(tmp_path / "answers" / "replies.jsonl", most_questions, most_tokens)

    return make


def test_an_answer_of_an_earlier_run_is_counted_and_not_asked_for_again(endpoint, connect, open_file):
    with open_file() as first:
        answer = first.ask(connect(), HELLO)
        assert first.ask(connect(), HELLO) == answer
        assert (first.questions, first.asked, first.tokens) == (1, 1, 57)
    with open_file() as second:
        assert second.ask(connect(), HELLO) == answer
        assert (second.questions, second.asked, second.tokens) == (1, 0, 57)
    assert len(endpoint.requests) == 1


def test_all_that_decides_an_answer_names_its_question(endpoint, connect, open_file):
    with open_file() as file:
        for question in (HELLO, HELLO._replace(seed=1), HELLO._replace(temperature=0.5)):
            file.ask(connect(), question)
        for fields in ({"model": "m2"}, {"extra": {"top_p": 0.5}}):
            file.ask(connect(**fields), HELLO)
        file.ask(connect(timeout_s=30), HELLO)
    assert len(endpoint.requests) == 5


def test_an_error_is_not_stored_and_not_counted_in_the_next_run(endpoint, connect, open_file):
    endpoint.replies = [FAILED]
    with open_file() as file:
        assert isinstance(file.ask(connect(), HELLO), ChatError)
        assert (file.questions, file.tokens) == (1, 0)
    with open_file() as file:
        assert file.questions == 0
        assert file.ask(connect(), HELLO).text == "HELLO"


def test_a_line_that_a_kill_cut_off_is_dropped(endpoint, connect, open_file, tmp_path):
    with open_file() as file:
        file.ask(connect(), HELLO)
    path = tmp_path / "answers" / "replies.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-5])
    with open_file() as file:
        assert file.questions == 1
        file.ask(connect(), HELLO._replace(user="Again"))
    with open_file() as file:
        assert file.questions == 2


def test_one_process_has_the_file(open_file):
    with open_file(), pytest.raises(ValueError, match="is in use: wait for the other run"):
        open_file()
    open_file().close()


def test_beyond_a_limit_nothing_is_sent(endpoint, connect, open_file):
    with open_file(most_tokens=57) as file:
        file.ask(connect(), HELLO)
        with pytest.raises(LimitReachedError, match="most_tokens=57 is reached"):
            file.ask(connect(), HELLO._replace(user="Again"))
        assert file.ask(connect(), HELLO).text == "HELLO", "what is stored has no limit"
    assert len(endpoint.requests) == 1


def test_the_budget_of_a_day_is_a_limit_too(endpoint, connect, open_file):
    with open_file() as file, pytest.raises(LimitReachedError, match="raise daily_tokens"):
        file.ask(connect(daily_tokens=1), HELLO)
    assert endpoint.requests == []


def test_only_failures_in_a_row_say_that_an_endpoint_is_away(endpoint, connect, open_file):
    chat, few = connect(), 19

    def ask(number):
        return file.ask(chat, HELLO._replace(seed=number))

    with open_file() as file:
        for start in (0, 100):
            endpoint.replies = [FAILED] * few
            assert all(isinstance(ask(start + number), ChatError) for number in range(few))
            assert ask(start + 99).text == "HELLO"
        endpoint.replies = [FAILED] * (few + 1)
        assert all(isinstance(ask(200 + number), ChatError) for number in range(few))
        with pytest.raises(EndpointDownError, match="20 questions in a row had no answer"):
            ask(299)
