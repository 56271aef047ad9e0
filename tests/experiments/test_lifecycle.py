"""An experiment's life: which status follows which action, and why an action is refused."""

import re

import pytest
from sqlalchemy import CheckConstraint

from data.reasons import Reason, reason, render
from data.tables import Experiment
from experiments.lifecycle import (
    ENDING,
    OPEN,
    REQUESTABLE,
    TRANSITIONS,
    Action,
    RefusedError,
    Standing,
    Status,
    consequence,
    requestable,
)

ENDED = {Status.SHIPPED, Status.ROLLED_BACK, Status.STOPPED, Status.DISCARDED}


def build_ended_reason(status: str) -> Reason:
    return reason("experiment_ended", status=status)


def test_every_status_has_its_transitions_and_an_ended_experiment_has_none() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert {status for status in Status if not TRANSITIONS[status]} == ENDED
    assert not ENDED & {*OPEN, Status.DRAFT, Status.HOLDOUT}


def test_every_action_is_in_a_transition_unless_it_changes_no_experiment() -> None:
    possible = {action for actions in TRANSITIONS.values() for action in actions}
    assert set(Action) - possible == {Action.DRAFT, Action.KEEP_RUNNING}
    assert set(REQUESTABLE) < possible


def test_the_ending_actions_lead_to_an_ended_status_and_the_others_do_not() -> None:
    for actions in TRANSITIONS.values():
        for action, next_status in actions.items():
            assert (next_status in ENDED) == (action in ENDING), (action, next_status)


def test_every_status_but_draft_and_holdout_is_reached() -> None:
    reached = {status for actions in TRANSITIONS.values() for status in actions.values()}
    assert reached == set(Status) - {Status.DRAFT, Status.HOLDOUT}


def test_the_table_s_constraint_names_exactly_the_statuses() -> None:
    [constraint] = [
        constraint
        for constraint in Experiment.__table__.constraints  # type: ignore[attr-defined]
        if isinstance(constraint, CheckConstraint) and "status" in str(constraint.sqltext)
    ]
    assert sorted(re.findall(r"'(\w+)'", str(constraint.sqltext))) == sorted(Status)


@pytest.mark.parametrize(
    ("status", "action", "share", "refusal"),
    [
        (Status.DRAFT, Action.START, None, None),
        (Status.DRAFT, Action.DISCARD, None, None),
        (Status.DRAFT, Action.PAUSE, None, reason("is_draft")),
        (Status.DRAFT, Action.RAMP, 0.5, reason("is_draft")),
        (Status.DRAFT, Action.SHIP, None, reason("is_draft")),
        (Status.DRAFT, Action.ROLL_BACK, None, reason("is_draft")),
        (Status.RUNNING, Action.START, None, reason("already_running")),
        (Status.RUNNING, Action.DISCARD, None, reason("not_a_draft")),
        (Status.RUNNING, Action.RAMP, 0.2, reason("share_too_small", reached=0.25, share=0.2)),
        (Status.RUNNING, Action.RAMP, 0.25, None),
        (Status.RUNNING, Action.RAMP, 0.25 - 1e-12, None),  # a rounding error, not a smaller share
        (Status.RUNNING, Action.RAMP, 1.0, None),
        (Status.RUNNING, Action.PAUSE, None, None),
        (Status.RUNNING, Action.SHIP, None, None),
        (Status.RUNNING, Action.ROLL_BACK, None, None),
        (Status.PAUSED, Action.PAUSE, None, reason("already_paused")),
        (Status.PAUSED, Action.DISCARD, None, reason("not_a_draft")),
        (Status.PAUSED, Action.START, None, None),
        (Status.PAUSED, Action.RAMP, 0.1, reason("share_too_small", reached=0.25, share=0.1)),
        (Status.PAUSED, Action.ROLL_BACK, None, None),
        (Status.SHIPPED, Action.ROLL_BACK, None, build_ended_reason("shipped")),
        (Status.ROLLED_BACK, Action.START, None, build_ended_reason("rolled_back")),
        (Status.STOPPED, Action.RAMP, 1.0, build_ended_reason("stopped")),
        (Status.DISCARDED, Action.START, None, build_ended_reason("discarded")),
        (Status.DISCARDED, Action.DISCARD, None, build_ended_reason("discarded")),
        (Status.HOLDOUT, Action.ROLL_BACK, None, reason("is_holdout")),
        (Status.HOLDOUT, Action.START, None, reason("is_holdout")),
    ],
)
def test_an_action_that_is_not_allowed_is_refused_with_the_reason(
    status: Status, action: Action, share: float | None, refusal: Reason | None
) -> None:
    standing = Standing(status, 0.25)
    if refusal is None:
        standing.check(action, share)
        return
    with pytest.raises(RefusedError) as refused:
        standing.check(action, share)
    assert refused.value.reasons == [refusal]
    assert str(refused.value) == str(refusal)


def test_check_allows_exactly_the_actions_with_a_transition() -> None:
    for status in Status:
        for action in Action:
            if action in TRANSITIONS[status]:
                Standing(status).check(action)
            else:
                with pytest.raises(RefusedError):
                    Standing(status).check(action)


def test_a_refusal_is_a_sentence_in_both_languages() -> None:
    with pytest.raises(RefusedError) as refused:
        Standing(Status.ROLLED_BACK).check(Action.SHIP)
    assert str(refused.value) == "the experiment has ended (rolled back); draft another one"
    assert render(refused.value.reasons, "ja") == (
        "実験は終了しています（ロールバック済み）。新しい下書きを作ってください"
    )
    with pytest.raises(RefusedError) as refused:
        Standing(Status.RUNNING, 0.25).check(Action.RAMP, 0.2)
    assert str(refused.value) == (
        "the experiment has reached 25.0% of the users, and 20.0% would exclude some who are in an arm;"
        " give a larger share, or pause the experiment"
    )
    assert "実験はユーザーの 25.0% に達しており、20.0% にすると" in render(refused.value.reasons, "ja")


@pytest.mark.parametrize(
    ("status", "share", "expected"),
    [
        (Status.DRAFT, 0.0, [Action.START, Action.DISCARD]),
        (Status.RUNNING, 0.5, [Action.RAMP, Action.PAUSE, Action.SHIP, Action.ROLL_BACK]),
        (Status.RUNNING, 1.0, [Action.PAUSE, Action.SHIP, Action.ROLL_BACK]),
        (Status.PAUSED, 0.0, [Action.START, Action.RAMP, Action.SHIP, Action.ROLL_BACK]),
        (Status.HOLDOUT, 0.1, []),
        *((status, 0.0, []) for status in sorted(ENDED)),
    ],
)
def test_requestable_actions(status: Status, share: float, expected: list[Action]) -> None:
    assert requestable(status, share, challengers=1) == expected


def test_only_one_of_several_challengers_can_be_dropped() -> None:
    assert Action.DROP in requestable(Status.RUNNING, 0.5, challengers=2)
    assert Action.DROP in requestable(Status.PAUSED, 0.0, challengers=2)
    assert Action.DROP not in requestable(Status.DRAFT, 0.0, challengers=2)


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        (Action.START, Status.DRAFT, reason("will_begin", challenger=("v2",), share=0.05)),
        (Action.START, Status.PAUSED, reason("will_resume")),
        (Action.RAMP, Status.RUNNING, reason("will_ramp", challenger=("v2",), share=0.05)),
        (Action.PAUSE, Status.RUNNING, reason("will_pause", baseline="v1")),
        (Action.SHIP, Status.RUNNING, reason("will_ship", challenger=("v2",))),
        (Action.ROLL_BACK, Status.PAUSED, reason("will_roll_back", challenger=("v2",), baseline="v1")),
        (Action.DISCARD, Status.DRAFT, reason("will_discard")),
    ],
)
def test_consequences_of_actions(action: Action, status: Status, expected: Reason) -> None:
    assert consequence(action, status, challengers=["v2"], baseline="v1", share=0.05) == expected


def test_the_consequence_of_a_start_is_a_sentence_in_both_languages() -> None:
    start = consequence(Action.START, Status.DRAFT, challengers=["v2"], baseline="v1", share=0.05)
    assert start.render() == (
        "v2 is loaded. Then 5.0% of the users that the experiment may use are in it, divided equally between"
        " the champion and v2."
    )
    assert start.render("ja") == (
        "v2 を読み込みます。その後、実験が使えるユーザーの 5.0% が実験に入り、"
        "チャンピオンと v2 に均等に分かれます。"
    )
