"""The life of an experiment: its statuses, the actions on it, and which status follows which action.

draft --start--> running --ship--> shipped
  |                |  ^  --roll back--> rolled back
discard      pause |  | start, ramp
  v                v  |
discarded         paused           and, ended without a winner: stopped
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from data.reasons import Reason, ReasonedError, Value, reason


class Status(StrEnum):
    """How an experiment stands, as the table `experiments` stores it."""

    DRAFT = "draft"  # has no users yet
    RUNNING = "running"  # the challenger answers its share of the users
    PAUSED = "paused"  # the champion answers everybody; the users keep their arms
    SHIPPED = "shipped"  # the challenger became champion
    ROLLED_BACK = "rolled_back"  # the challenger was withdrawn
    STOPPED = "stopped"  # ended without a winner
    DISCARDED = "discarded"  # a draft that a person withdrew
    HOLDOUT = "holdout"  # compares old and present champions; no decision ends it


class Action(StrEnum):
    """What can be done with an experiment, as the table `decisions` stores it."""

    DRAFT = "draft"  # a person describes an experiment
    DISCARD = "discard"  # a person withdraws a draft
    START = "start"  # the first users enter; after a pause, the same users enter again
    RAMP = "ramp"  # more users enter
    REWEIGH = "reweigh"  # the bandit changes the arms' shares of later users
    DROP = "drop"  # one of several challengers is withdrawn; the experiment goes on with the others
    PAUSE = "pause"  # the champion answers everybody for a while
    SHIP = "ship"  # the challenger becomes champion
    ROLL_BACK = "roll_back"  # the challenger is withdrawn
    INCONCLUSIVE = "inconclusive"  # the experiment ends, as the evidence does not decide it
    STOP = "stop"  # the experiment ends for a reason other than evidence
    KEEP_RUNNING = "keep_running"  # an analysis' recommendation without a decision; never stored


# The status that follows each action. A status does not allow an action that is absent here.
TRANSITIONS: Mapping[Status, Mapping[Action, Status]] = {
    Status.DRAFT: {
        Action.START: Status.RUNNING,
        Action.DISCARD: Status.DISCARDED,
        Action.STOP: Status.STOPPED,
    },
    Status.RUNNING: {
        Action.RAMP: Status.RUNNING,
        Action.REWEIGH: Status.RUNNING,
        Action.DROP: Status.RUNNING,
        Action.PAUSE: Status.PAUSED,
        Action.SHIP: Status.SHIPPED,
        Action.ROLL_BACK: Status.ROLLED_BACK,
        Action.INCONCLUSIVE: Status.STOPPED,
        Action.STOP: Status.STOPPED,
    },
    Status.PAUSED: {
        Action.START: Status.RUNNING,
        Action.RAMP: Status.RUNNING,
        Action.DROP: Status.PAUSED,
        Action.SHIP: Status.SHIPPED,
        Action.ROLL_BACK: Status.ROLLED_BACK,
        Action.STOP: Status.STOPPED,
    },
    Status.HOLDOUT: {Action.STOP: Status.STOPPED},
    Status.SHIPPED: {},
    Status.ROLLED_BACK: {},
    Status.STOPPED: {},
    Status.DISCARDED: {},
}
OPEN = (Status.RUNNING, Status.PAUSED)  # started and not ended: they have users
# Actions that a person can request, in the order of the buttons.
REQUESTABLE = (
    Action.START, Action.RAMP, Action.PAUSE, Action.DROP, Action.SHIP, Action.ROLL_BACK, Action.DISCARD,
)  # fmt: skip
ENDING = (Action.SHIP, Action.ROLL_BACK, Action.INCONCLUSIVE, Action.STOP, Action.DISCARD)


class RefusedError(ReasonedError, ValueError):
    """The experiment's status does not allow the requested action."""


class Standing(NamedTuple):
    """An experiment's status, and the largest share of users that has ever been in it (0 to 1)."""

    status: Status
    reached_share: float = 0.0

    def check(self, action: Action, share: float | None = None) -> None:
        """Raise RefusedError when the status does not allow an action, or a ramp to `share` of the users."""
        if action not in TRANSITIONS[self.status]:
            raise self._refusal(action)
        if share is not None and share < self.reached_share - 1e-9:
            raise RefusedError("share_too_small", reached=self.reached_share, share=share)

    def _refusal(self, action: Action) -> RefusedError:
        match self.status:
            case Status.SHIPPED | Status.ROLLED_BACK | Status.STOPPED | Status.DISCARDED:
                return RefusedError("experiment_ended", status=self.status.value)
            case Status.HOLDOUT:
                return RefusedError("is_holdout")
            case Status.DRAFT:
                return RefusedError("is_draft")
            case _ if action is Action.DISCARD:
                return RefusedError("not_a_draft")
            case Status.RUNNING:
                return RefusedError("already_running")
            case _:
                return RefusedError("already_paused")


def requestable(status: Status, share: float, challengers: int) -> list[Action]:
    """Actions that a person can request now; `share` of the users is in the experiment (0 to 1), which still
    tests so many challengers.
    """
    impossible = {Action.RAMP: share >= 1, Action.DROP: challengers < 2}
    return [
        action
        for action in REQUESTABLE
        if action in TRANSITIONS[status] and not impossible.get(action, False)
    ]


def consequence(
    action: Action, status: Status, *, challengers: Sequence[str], baseline: str, share: float
) -> Reason:
    """The effect of an action, to show before it; `share` of users will be in the experiment (0 to 1).
    `challengers` are those that the action is about.
    """
    challenger = tuple(challengers)
    code = f"will_{action}"
    values: dict[str, Value] = {}
    match action:
        case Action.START:
            code = "will_begin" if status is Status.DRAFT else "will_resume"
            values = {"challenger": challenger, "share": share} if status is Status.DRAFT else {}
        case Action.RAMP:
            values = {"challenger": challenger, "share": share}
        case Action.PAUSE:
            values = {"baseline": baseline}
        case Action.SHIP | Action.DROP:
            values = {"challenger": challenger}
        case Action.ROLL_BACK:
            values = {"challenger": challenger, "baseline": baseline}
        case _:
            pass
    return reason(code, **values)
