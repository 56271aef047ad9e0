import json
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from data.records import Demonstration, Label, PreferencePair, TransformType
from data.snapshots import shards, teachers
from data.snapshots.shards import Source
from models import drafts, facts, teacher
from models.replies import EndpointDownError, LimitReachedError, Replies
from models.teacher import TeacherConfig
from models.teacher_requests import Request
from models.validity import InvalidJudgeError
from tests import endpoints
from tests.endpoints import completion
from tests.teachers import (
    FAULTS,
    answer,
    blunt,
    is_for_judge,
    message,
    models_at,
    number_of,
    rewrite,
    write_labels,
)
from tests.waiting import until

ANN, BOB = uuid.UUID(int=1), uuid.UUID(int=2)


def write_people(folder, numbers):
    """A snapshot of people's thumbs: those on messages of an even number are Ann's, the others Bob's."""
    with shards.Writer(folder) as writer:
        for number in numbers:
            vote, kind = uuid.UUID(int=1000 + number), TransformType.SOFTEN
            task = {"text": message(number), "transform_type": kind, "intensity": 2}
            writer.add(Label(**task, rewrite=rewrite(number), good=True, version="v1"), [vote])
            user = BOB if number % 2 else ANN
            source = {"feedback": vote, "user": user, "kind": "thumb", "transform_type": kind}
            writer.add_source(Source(**source, version="v1"))
    return folder


@pytest.fixture
def endpoint():
    with endpoints.serve(answer) as fake:
        yield fake


@pytest.fixture(scope="module")
def llama_url(gguf):
    """The server of llama.cpp in this process, with SmolLM2 of the pip package, on a port of its own."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = 4096, 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture
def configure(endpoint, tmp_path):
    """`configure(numbers, **fields)`: a config whose people wrote the messages with these numbers."""

    def make(numbers=range(10, 20), **fields):
        folder = tmp_path / "people"
        if not folder.exists():
            write_people(folder, numbers)
        run = {"seed_folders": (), "snapshots": (folder,), "out": tmp_path, "drafts": 1}
        return TeacherConfig.model_validate({**models_at(endpoint.url), **run, **fields})

    return make


def test_drafts_that_pass_are_demonstrations_of_a_snapshot_that_names_its_maker(configure, endpoint):
    result = teacher.main(configure())
    assert (result.demonstrations, result.pairs, result.drafts) == (10, 0, {"passed": 10})
    rows = {row.text: row for row in shards.read(result.snapshot, Demonstration)}
    assert rows[message(12)] == Demonstration(
        text=message(12), transform_type=TransformType.SOFTEN, intensity=2, rewrite=rewrite(12)
    )
    origin = teachers.read(result.snapshot)
    assert (origin.model, origin.licence) == ("large", "Apache-2.0 of the model")
    assert origin.host == endpoint.url.removeprefix("http://").removesuffix("/v1")
    card = (result.snapshot / "README.md").read_text()
    for phrase in (
        "`large` at 127.0.0.1",
        "answers as `fake`",
        "Apache-2.0 of the model",
        "`other` at",
        "| passed | 10 |",
    ):
        assert phrase in card
    assert "2 people who consent to training" in card
    assert {source.user for source in shards.read_sources(result.snapshot)} == {ANN, BOB}
    # A draft and two passes of the judge for each request.
    assert Counter(body["model"] for body in endpoint.requests) == {"large": 10, "other": 20}


def test_what_was_answered_is_not_asked_again(configure, endpoint):
    first = teacher.main(configure())
    again = teacher.main(configure())
    assert again.questions_of_this_run == 0
    assert len(endpoint.requests) == first.questions == again.questions == 30
    assert again.snapshot == first.snapshot


def test_a_limit_stops_the_questions_and_a_higher_one_goes_on(configure, endpoint):
    first = teacher.main(configure(most_questions=7))
    assert (first.questions, first.demonstrations, first.not_finished) == (7, 2, 8)
    assert first.stopped == "most_questions=7 is reached"
    second = teacher.main(configure(most_tokens=57 * 10))  # an answer has 57
    assert (second.questions, second.demonstrations, second.stopped) == (10, 3, "most_tokens=570 is reached")
    assert teacher.main(configure()).demonstrations == 10
    asked = Counter(json.dumps(body, sort_keys=True) for body in endpoint.requests)
    assert set(asked.values()) == {1}


def reply_badly(turn, tries, all_asked):
    """A faulty endpoint: the message's number says which fault it is answered with."""
    number = number_of(turn)
    tries[number] += 1
    if len(tries) == 20:
        all_asked.set()
    if is_for_judge(turn):
        if number == 20:
            return completion("Both are lovely.")
        if number == 21:
            return completion("1")
        if number == 22:
            return completion({"1": "2", "2": "1"}[answer(turn)])
        return completion(answer(turn))
    names = list(FAULTS)
    if number < 20:
        return completion(FAULTS[names[number - 10]][0](number))
    if number == 23:
        return 200, {"Content-Type": "text/html"}, "<html>Bad gateway</html>"
    if number == 24:
        return completion(None)
    if number == 25:
        return completion(rewrite(number)[:40], finish_reason="length")
    if number == 26 and tries[number] == 1:
        return 429, {"Retry-After": "0"}, '{"error": {"message": "slow down"}}'
    if number == 27:
        all_asked.wait(60)  # the others do not wait for it
    return completion(rewrite(number))


def test_of_a_faulty_endpoint_nothing_bad_is_kept_and_everything_is_counted(configure, endpoint):
    tries, all_asked = Counter(), threading.Event()
    endpoint.reply = lambda _, body: reply_badly(body["messages"][-1]["content"], tries, all_asked)
    config = configure(range(10, 30))
    parallel = config.teacher.model_copy(update={"concurrency": 2})
    result = teacher.main(config.model_copy(update={"teacher": parallel}))
    rows = list(shards.read(result.snapshot, Demonstration))
    assert sorted(row.text for row in rows) == [message(number) for number in (26, 27, 28, 29)]
    assert all(row.rewrite == rewrite(number_of(row.text)) for row in rows)
    expected = Counter(fate for _, fate in list(FAULTS.values())[:10])
    expected.update(["judge_unreadable", "judge_undecided", "judge_against", "cut"])
    expected.update({"no_answer": 2, "passed": 4})
    assert result.drafts == expected
    lines = (config.out / teachers.ANSWERS / "dropped.jsonl").read_text().splitlines()
    dropped = {row["text"]: row for row in map(json.loads, lines)}
    assert Counter(row["fate"] for row in dropped.values()) == expected - Counter(passed=4)
    assert dropped[message(11)] == {
        "text": message(11),
        "transform_type": "soften",
        "intensity": 2,
        "draft": FAULTS["a lost fact"][0](11),
        "fate": "facts",
    }


def test_a_draft_that_no_file_can_hold_is_made_storable(configure, endpoint):
    endpoint.answer = lambda turn: answer(turn) + ("" if is_for_judge(turn) else " \0\ud800")
    result = teacher.main(configure())
    assert {row.rewrite for row in shards.read(result.snapshot, Demonstration)} >= {f"{rewrite(12)} ?"}
    assert teacher.main(configure()).questions_of_this_run == 0


def test_an_endpoint_that_is_away_ends_the_run_and_loses_no_answer(configure, endpoint):
    def fail(headers, body):
        endpoint.requests.append(body)
        return (
            completion(answer(body["messages"][-1]["content"]))
            if len(endpoint.requests) < 7
            else (404, {}, "")
        )

    endpoint.reply = fail
    config = configure(range(10, 60))
    with pytest.raises(EndpointDownError, match="20 questions in a row had no answer"):
        teacher.main(config)
    assert not list(config.out.glob("*/teacher.json"))
    endpoint.reply = type(endpoint).reply.__get__(endpoint)
    endpoint.requests.clear()
    assert teacher.main(config).demonstrations == 50
    assert len(endpoint.requests) == 50 * 3 - 6


def test_a_judge_of_the_teachers_model_is_on_the_card(configure):
    own = configure().judge.model_copy(update={"model": "large"})
    result = teacher.main(configure(judge=own, own_judge=True))
    assert "**Judge**: the teacher itself" in (result.snapshot / "README.md").read_text()


def test_people_s_messages_are_written_beside_their_snapshot_only(configure, tmp_path):
    with pytest.raises(ValidationError, match="beside their snapshot only"):
        configure(out=tmp_path / "elsewhere")


def test_an_erasure_meanwhile_leaves_no_snapshot(configure, tmp_path):
    config = configure()

    @contextmanager
    def erase():
        (tmp_path / "people" / "labels" / "00000.parquet").unlink()
        yield

    with pytest.raises(ValueError, match="a person in it was erased while the teacher wrote"):
        teacher.main(config, erase())
    assert not list(tmp_path.glob("*/teacher.json"))
    assert not (tmp_path / teachers.ANSWERS / "dropped.jsonl").exists()


def test_peoples_messages_take_the_lock_of_the_installation(configure):
    with pytest.raises(SystemExit, match="set TONEBRIDGE_DATABASE_URL as the flows have it"):
        teacher.make_lock(configure())
    assert teacher.make_lock(configure(snapshots=())) is None


def test_without_labels_of_the_teacher_there_are_no_pairs_and_no_questions(configure, endpoint):
    with pytest.raises(InvalidJudgeError, match="judge other is not valid for rewrites by large"):
        teacher.main(configure(pairs=True))
    assert endpoint.requests == []


def with_labels(config, folder, usable, wrong):
    """A config whose judge is fast, and whose teacher's rewrites are labelled."""
    config = config.model_copy(update={"judge": config.judge.model_copy(update={"concurrency": 8})})
    labels = write_labels(folder, drafts.name_policy(config), usable, wrong)
    return config.model_copy(update={"labels_folder": labels})


def test_a_judge_that_readers_contradict_makes_no_pairs(configure, tmp_path):
    config = with_labels(configure(pairs=True), tmp_path / "labels", usable=blunt, wrong=rewrite)
    with pytest.raises(InvalidJudgeError, match=r"probability 0\.00"):
        teacher.main(config)
    assert not list(tmp_path.glob("*/teacher.json"))


def test_a_valid_judge_makes_pairs_that_name_the_teacher(configure, endpoint, tmp_path):
    asked = Counter()

    def vary(turn):
        if is_for_judge(turn):
            return answer(turn)
        asked[number_of(turn)] += 1
        return (blunt if asked[number_of(turn)] == 1 else rewrite)(number_of(turn))

    endpoint.answer = vary
    config = configure(pairs=True, drafts=2)
    result = teacher.main(with_labels(config, tmp_path / "labels", usable=rewrite, wrong=blunt))
    assert result.validity.auc.mean == 1.0
    assert (result.demonstrations, result.pairs) == (10, 10)
    pairs = list(shards.read(result.snapshot, PreferencePair))
    assert {(pair.chosen_version, pair.rejected_version) for pair in pairs} == {("teacher:large",) * 2}
    assert all(pair.chosen == rewrite(number_of(pair.text)) for pair in pairs)
    assert all(pair.rejected == blunt(number_of(pair.text)) for pair in pairs)


def test_first_drafts_are_unchecked_and_a_request_without_one_is_named(configure, endpoint):
    config = configure()
    requests = [Request(message(number), TransformType.SOFTEN, 2) for number in (10, 11, 12)]
    endpoint.replies = [completion("Sure, here it is."), (404, {}, "")]
    with pytest.raises(ValueError, match="start again, and only what is missing is asked"):
        teacher.write_first_drafts(config, requests[:2])
    assert teacher.write_first_drafts(config, requests[:2]) == ["Sure, here it is.", rewrite(11)]
    assert len(endpoint.requests) == 3
    with pytest.raises(LimitReachedError, match="most_questions=2"):
        teacher.write_first_drafts(configure(most_questions=2), requests)


def test_without_a_message_or_beside_another_run_nothing_is_asked(configure, endpoint):
    with pytest.raises(ValueError, match="name seed folders or snapshots"):
        teacher.main(configure(snapshots=()))
    config = configure()
    with (
        Replies(config.out / teachers.ANSWERS / "replies.jsonl", 1, 1),
        pytest.raises(ValueError, match="is in use: wait for the other run"),
    ):
        teacher.main(config)
    assert endpoint.requests == []


SCRIPT = """
import sys
from models import teacher
if __name__ == "__main__":
    teacher.main(teacher.TeacherConfig.model_validate_json(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_killed_run_asks_nothing_again_that_was_answered(configure, endpoint):
    config = configure()
    plain = endpoint.answer

    def stop_after_eleven(turn):
        if len(endpoint.requests) == 11:
            endpoint.gate.clear()  # the twelfth question gets no answer
        return plain(turn)

    endpoint.answer = stop_after_eleven
    run = subprocess.Popen([sys.executable, "-c", SCRIPT, config.model_dump_json()])

    def has_asked():
        assert run.poll() is None, "the run has ended"
        return len(endpoint.requests) >= 12

    try:
        until(has_asked)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    endpoint.answer = plain
    endpoint.gate.set()
    answered, asked = endpoint.requests[:11], endpoint.requests[11]
    with (config.out / teachers.ANSWERS / "replies.jsonl").open("ab") as file:
        file.write(b'["0123')  # as when the kill comes while a line is written
    endpoint.requests.clear()
    result = teacher.main(config)
    assert (result.demonstrations, result.questions_of_this_run) == (10, 19)
    assert asked in endpoint.requests
    assert all(body not in endpoint.requests for body in answered)


@pytest.mark.slow
def test_the_stage_runs_on_a_real_server_and_what_it_keeps_is_valid(configure, llama_url, tmp_path):
    """SmolLM2 as teacher and judge: nearly all of its drafts are dropped."""
    connection = {"base_url": llama_url, "model": "smollm2", "timeout_s": 300, "concurrency": 2}
    config = configure(
        range(10, 12),
        teacher={**connection, "licence": "Apache-2.0"},
        judge=connection,
        own_judge=True,
        max_new_tokens=32,
    )
    result = teacher.main(config)
    assert (result.requests, result.not_finished, sum(result.drafts.values())) == (2, 0, 2)
    assert "no_answer" not in result.drafts
    assert result.tokens > 300 * sum(result.drafts.values()), "the server counts the prompt"
    rows = shards.read(result.snapshot, Demonstration) if result.snapshot else ()
    for row in rows:
        assert not facts.missing(row.text, row.rewrite)
    assert teacher.main(config).questions_of_this_run == 0
