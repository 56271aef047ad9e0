"""Whether a score is a valid judge of a policy's rewrites, by what readers say about them.

A judge is a function that gives a rewrite a number, higher for better. Training, choosing and deciding by a
judge that readers contradict makes rewrites worse while the number rises. So whoever uses one asks here
first, with labels of the very policy that it is to judge: a judge that tells the nonsense of one policy from
good rewrites may be blind to the next policy's.

`models.reading` collects the labels. They name the policy by `loading.policy_digest`, and a teacher by
`drafts.name_policy`, so labels of other weights or another teacher do not count. What a version of edits
writes depends on the rules of the code, too. They have no name in the labels: `evaluation.read_labelled`
takes those labels only whose rewrite the version still writes.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from data.corpus import ReadRewrite
from data.reasons import Reason, ReasonedError, reason
from models.labels import estimate_auc
from models.results import Estimate

LEAST_LABELS = 100  # usable and wrong ones together
LEAST_EACH = 10  # usable ones, and wrong ones
LEAST_AUC = 0.8
LEAST_LOW = 0.7  # of the AUC's 95 % interval: docs/training.md has the error rates of both limits together


class InvalidJudgeError(ReasonedError):
    """A judge is not valid for the policy that it is to judge; its reason says what is missing."""

    def __init__(self, refusal: Reason) -> None:
        super().__init__("judge_refused", details=(refusal,))


class Validity(BaseModel):
    """How well a judge ranks a policy's usable rewrites above its wrong ones.

    `policy` is a term of the catalogue of reasons, or the folder of the weights. `usable` and `wrong` are
    numbers of labels. `auc` is None while there are too few.
    """

    model_config = ConfigDict(frozen=True)

    judge: str
    policy: str
    usable: int
    wrong: int
    auc: Estimate | None

    @property
    def refusal(self) -> Reason | None:
        """Why the judge may not be used, or None when it is valid."""
        if self.auc is None:
            return reason(
                "judge_unmeasured",
                judge=self.judge,
                policy=self.policy,
                usable=self.usable,
                wrong=self.wrong,
                least=LEAST_LABELS,
                each=LEAST_EACH,
            )
        if self.auc.mean < LEAST_AUC or self.auc.low < LEAST_LOW:
            return reason(
                "judge_blind",
                judge=self.judge,
                policy=self.policy,
                **self.auc.model_dump(),
                least_auc=LEAST_AUC,
                least_low=LEAST_LOW,
            )
        return None

    def require(self) -> None:
        """Raise InvalidJudgeError unless the judge is valid."""
        if self.refusal is not None:
            raise InvalidJudgeError(self.refusal)


def validate(judge: str, policy: str, labels: Sequence[ReadRewrite], scores: Sequence[float]) -> Validity:
    """The validity of a judge, from the labels of a policy's rewrites and the judge's scores of them.

    `judge` and `policy` are the names that a refusal shows. Only usable and wrong rewrites count. Raises
    ValueError when there are more or fewer scores than labels.
    """
    by_label: dict[str, list[float]] = {"usable": [], "wrong": []}
    for row, score in zip(labels, scores, strict=True):
        if row.label in by_label:
            by_label[row.label].append(score)
    usable, wrong = by_label["usable"], by_label["wrong"]
    return Validity(
        judge=judge,
        policy=policy,
        usable=len(usable),
        wrong=len(wrong),
        auc=estimate_auc(usable, wrong) if are_enough(labels) else None,
    )


def are_enough(labels: Sequence[ReadRewrite]) -> bool:
    """Whether there are enough usable and wrong rewrites to measure a judge on."""
    usable, wrong = (sum(row.label == label for row in labels) for label in ("usable", "wrong"))
    return usable + wrong >= LEAST_LABELS and min(usable, wrong) >= LEAST_EACH


def labels_of(labels: Sequence[ReadRewrite], policy: str) -> list[ReadRewrite]:
    """The labels of the rewrites that a policy wrote, by its digest."""
    return [row for row in labels if row.policy == policy]
