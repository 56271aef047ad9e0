from collections import Counter

import pytest
from pydantic import ValidationError

from data import corpus
from data.records import TransformType
from models import drafts
from models.chat import Chat
from models.drafts import Drafter, DraftsConfig
from models.replies import LimitReachedError, Replies
from models.teacher_requests import Request
from tests import endpoints, teachers
from tests.teachers import FAULTS, answer, blunt, is_for_judge, message, models_at, number_of, rewrite

REQUESTS = [Request(message(number), TransformType.SOFTEN, 2) for number in (10, 11)]


@pytest.fixture
def endpoint():
    with endpoints.serve(answer) as fake:
        yield fake


@pytest.fixture
def configure(endpoint):
    """`configure(**fields)`: a config whose teacher and judge are at the fake endpoint."""

    def make(**fields):
        return DraftsConfig.model_validate(models_at(endpoint.url) | fields)

    return make


@pytest.fixture
def open_drafter(tmp_path):
    """`open_drafter(config)`: a drafter with files of its own, which may ask so many questions."""
    opened = []

    def make(config, most_questions=10_000):
        replies = Replies(tmp_path / f"replies-{len(opened)}.jsonl", most_questions, 10**9)
        chat, judging = Chat(config.teacher), Chat(config.judge)
        opened.append((replies, chat, judging))
        return Drafter(config, chat, judging, replies)

    yield make
    for parts in opened:
        for part in parts:
            part.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_draft_with_a_fault_does_not_pass(fault):
    request = Request(message(12), TransformType.SOFTEN, 2)
    write, fate = FAULTS[fault]
    assert drafts.find_fault(request, rewrite(12)) is None
    assert drafts.find_fault(request, write(12)) == fate


def test_a_fact_that_only_the_request_names_must_survive():
    request = Request("Ask zora for the list.", TransformType.SOFTEN, 2, facts=("zora",))
    assert drafts.find_fault(request, "Could you please ask zora for the list?") is None
    assert drafts.find_fault(request, "Could you please ask her for the list?") == "facts"


def test_the_numbers_of_a_list_are_no_new_facts():
    request = Request("Fix the page and send the list to Ben.", TransformType.STRUCTURE, 2)
    assert drafts.find_fault(request, "1. Fix the page.\n2. Send the list to Ben.") is None


@pytest.mark.slow
@pytest.mark.parametrize("part", ["train", "edits"])
def test_the_references_of_the_seed_mostly_pass(part):
    fates = Counter()
    for original in corpus.read(corpus.SEED / part)[::20]:
        for reference in original.rewrites:
            if reference.intensity:
                request = Request(original.text, reference.transform_type, reference.intensity)
                fates[drafts.find_fault(request, reference.text)] += 1
    assert fates[None] > 0.7 * fates.total(), fates


def test_the_next_draft_is_asked_for_until_one_passes(configure, endpoint, open_drafter):
    asked = Counter()

    def hesitate(turn):
        if is_for_judge(turn):
            return answer(turn)
        asked[number_of(turn)] += 1
        return rewrite(number_of(turn)) if asked[number_of(turn)] == 2 else "Sure, here it is."

    endpoint.answer = hesitate
    results = open_drafter(configure(drafts=4)).draft_all(REQUESTS)
    assert [request for request, _ in results] == REQUESTS
    assert [[draft.fate for draft in each] for _, each in results] == [["broken", "passed"]] * 2
    seeds = {body["seed"] for body in endpoint.requests if body["model"] == "large"}
    assert len(seeds) == 2, "the same seed would give the same draft"


def test_with_pairs_all_drafts_are_written_and_judged(configure, endpoint, open_drafter):
    results = open_drafter(configure(drafts=3, pairs=True)).draft_all(REQUESTS)
    assert [[draft.fate for draft in each] for _, each in results] == [["passed"] * 3] * 2
    assert Counter(body["model"] for body in endpoint.requests)["large"] == 6


def test_a_draft_that_fails_a_check_is_not_judged(configure, endpoint, open_drafter):
    endpoint.answer = lambda turn: "Sure, here it is."
    open_drafter(configure(drafts=1)).draft_all(REQUESTS)
    assert {body["model"] for body in endpoint.requests} == {"large"}


def test_a_drafter_knows_how_the_teacher_is_named_and_which_limit_stopped_it(
    configure, endpoint, open_drafter
):
    drafter = open_drafter(configure(drafts=1), most_questions=4)
    results = drafter.draft_all(REQUESTS)
    assert [request for request, _ in results] == REQUESTS[:1], "the judge of the second draft is cut off"
    assert (drafter.names, drafter.stopped) == ({"fake"}, "most_questions=4 is reached")


def test_few_labels_measure_no_judge(configure, endpoint, open_drafter, tmp_path):
    config = configure()
    labels = teachers.write_labels(tmp_path / "labels", "of-another-teacher", usable=rewrite, wrong=blunt)
    validity = open_drafter(config.model_copy(update={"labels_folder": labels})).measure_validity()
    assert (validity.auc, validity.usable, validity.wrong) == (None, 0, 0)
    assert endpoint.requests == []


def test_the_limits_hold_while_the_judge_is_measured(configure, endpoint, open_drafter, tmp_path):
    config = configure()
    labels = teachers.write_labels(tmp_path / "labels", drafts.name_policy(config), rewrite, blunt)
    drafter = open_drafter(config.model_copy(update={"labels_folder": labels}), most_questions=5)
    with pytest.raises(LimitReachedError, match="most_questions=5"):
        drafter.measure_validity()
    assert len(endpoint.requests) == 5


def test_another_model_or_another_way_to_ask_it_is_another_teacher_in_readers_labels(configure):
    name = drafts.name_policy(configure())
    teacher = configure().teacher
    decisive = [
        {"temperature": 0.1},
        {"max_new_tokens": 99},
        {"teacher": teacher.model_copy(update={"model": "larger"})},
        {"teacher": teacher.model_copy(update={"extra": {"top_p": 0.5}})},
        {"teacher": teacher.model_copy(update={"base_url": "http://other/v1"})},
    ]
    names = {drafts.name_policy(configure().model_copy(update=fields)) for fields in decisive}
    assert len(names - {name}) == len(decisive)
    assert drafts.name_policy(configure(drafts=9, seed=3, pairs=True)) == name


def test_a_judge_of_the_teachers_model_takes_a_flag(configure):
    own = configure().judge.model_copy(update={"model": "large"})
    with pytest.raises(ValidationError, match="name another one, or set own_judge"):
        configure(judge=own)
    assert configure(judge=own, own_judge=True).judge.model == "large"


def test_a_teacher_without_a_licence_is_refused(configure):
    with pytest.raises(ValidationError, match=r"teacher\.licence"):
        configure(teacher={"base_url": "http://localhost/v1", "model": "large"})
