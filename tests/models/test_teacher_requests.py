import json
import uuid

import pytest

from data import corpus
from data.records import Demonstration, TransformType
from data.snapshots import shards
from models import teacher_requests
from models.teacher_requests import TRAINING, Request

ORDINARY = corpus.SEED / "ordinary"
SOFTEN = {"transform_type": TransformType.SOFTEN, "intensity": 2, "rewrite": "x"}


@pytest.fixture
def list_of(tmp_path):
    """`list_of(*rows)`: the requests of people who sent these rows."""

    def make(*rows, seed_folders=()):
        folder = shards.write(tmp_path / "people", rows)
        return teacher_requests.list_requests(seed_folders, 1, (folder,), 0)

    return make


def texts(requests):
    return [request.text for request in requests]


def test_the_training_messages_of_the_seed_and_peoples_are_requested_and_no_others(list_of):
    requests = list_of(Demonstration(text="People's own.", **SOFTEN), seed_folders=TRAINING)
    trained = [message for folder in TRAINING for message in corpus.read(folder)]
    kept = {message.text for message in trained if not corpus.is_held_out(message.id)}
    assert set(texts(requests)) == {"People's own.", *kept}


def test_what_people_s_snapshots_hold_out_is_not_requested(list_of):
    requests = list_of(
        Demonstration(text="People's own.", **SOFTEN),
        Demonstration(text="Held out.", split="validation", **SOFTEN),
        Demonstration(text="held  out.", **SOFTEN),
    )
    assert texts(requests) == ["People's own."]


@pytest.mark.parametrize(
    "part", sorted({"test", *(f"ordinary/{p.name}" for p in ORDINARY.iterdir() if p.is_dir())})
)
def test_a_message_of_a_part_that_is_for_tests_is_not_requested_when_a_person_sends_it(list_of, part):
    file = min((corpus.SEED / part).glob("*.jsonl"))
    text = json.loads(file.read_text().splitlines()[0])["text"]
    requests = list_of(*(Demonstration(text=each, **SOFTEN) for each in (text, "People's own.")))
    assert texts(requests) == ["People's own."]


@pytest.mark.parametrize("folder", TRAINING, ids=lambda folder: folder.name)
def test_a_message_that_training_holds_out_is_not_requested_when_a_person_sends_it(list_of, folder):
    text = next(message.text for message in corpus.read(folder) if corpus.is_held_out(message.id))
    requests = list_of(*(Demonstration(text=each, **SOFTEN) for each in (text, "People's own.")))
    assert texts(requests) == ["People's own."]


def test_a_request_of_several_people_is_made_once_with_the_votes_of_all(tmp_path):
    ann, bob = uuid.UUID(int=1), uuid.UUID(int=2)
    with shards.Writer(tmp_path / "people") as writer:
        for vote in (ann, bob):
            writer.add(Demonstration(text="Fix it.", **SOFTEN), [vote])
        writer.add(Demonstration(text="Leave it.", **{**SOFTEN, "intensity": 0}), [ann])
    requests = teacher_requests.list_requests((), 1, (tmp_path / "people",), 0)
    assert requests == [Request("Fix it.", TransformType.SOFTEN, 2, (), frozenset({ann, bob}))]


def test_the_requests_of_the_seed_are_drawn_by_its_number():
    def draw(requests_a_message, seed):
        return teacher_requests.list_requests((corpus.SEED / "edits",), requests_a_message, (), seed)

    assert draw(1, 0) == draw(1, 0)
    assert texts(draw(1, 0)) == texts(draw(1, 1))
    assert draw(1, 0) != draw(1, 1)
    assert len(draw(3, 0)) == 3 * len(draw(1, 0))
