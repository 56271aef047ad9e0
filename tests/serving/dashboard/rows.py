"""Rows of all kinds for the dashboard's pages, and the files of a training run."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from data.reasons import reason, written
from data.records import Spec
from data.snapshots import validation
from data.snapshots.counting import LeftOut
from data.snapshots.shards import Row
from data.snapshots.votes import Usable
from data.tables import (
    Decision,
    Erasure,
    Experiment,
    Feedback,
    Gateway,
    Lineage,
    Organisation,
    Output,
    Release,
    Snapshot,
    Version,
    VersionOrder,
    new_id,
)
from data.traffic import answers, routing
from data.traffic.routing import Arm, Routing, Split
from models import card, health, training
from models.evaluation import SHOWN
from models.results import Estimate, Evaluation, Verdict
from models.scoreboard import Scores
from models.sft import SftResult
from pipelines.collect import CollectConfig
from tests.dashboards import Installation
from tests.snapshots import count_votes
from tests.traffic import id_at

NOW = datetime.now(UTC)
REJECTED = reason("gate_composite", mean=-0.1, low=-0.12, high=-0.08)
REASON = (
    "It is worse than the champion beyond noise: the composite changes by -0.100, between -0.120 and -0.080."
)
BIASED = reason(
    "position_bias", people=40, share=0.9, votes=80, low=0.85, high=0.95, lowest=0.35, highest=0.65
)


def _estimate(mean: float) -> Estimate:
    return Estimate(mean=mean, low=mean - 0.05, high=mean + 0.05)


def _evaluation(accepted: bool) -> Evaluation:
    """An evaluation with every score of every system."""
    scores = {name: _estimate(0.5) for name in {*Scores.model_fields, *SHOWN}}
    means = {"challenger": 0.71, "champion": 0.62, "copy_input": 0.33, "rules": 0.44, "reference": 0.93}
    systems = {name: scores | {"composite": _estimate(mean)} for name, mean in means.items()}
    return Evaluation(
        cases=171,
        systems=systems | {"challenger_protected": systems["challenger"]},
        by_type={name: {"soften": row, "clarify": row} for name, row in systems.items()},
        move_by_intensity={"challenger": {str(i): _estimate(i / 4) for i in range(4)}},
        win_rate=_estimate(0.58),
        verdict=Verdict(accepted=accepted, reasons=() if accepted else (REJECTED,)),
    )


def fill(installation: Installation) -> None:
    """v1 is champion, v2 was rejected, v3 is in a running experiment, v4 learned from an erased person."""
    with Session(installation.engine) as session, session.begin():
        _fill_snapshots(session)
        _fill_versions(session)
        erasure = Erasure(organisation_id=installation.organisation_id, user_id=new_id(), counts={})
        session.add(erasure)
        session.flush()
        session.add(VersionOrder(erasure_id=erasure.id, version="v4", action="retire"))
        _fill_routing(session)
        session.add_all(_messages(installation.organisation_id))
        other = Organisation(name="another")
        session.add(other)
        session.flush()
        # The messages of other organisations must not count: this week theirs are all long.
        session.add_all(
            _output(other.id, NOW - timedelta(days=1), "x" * 2000, "requirements") for _ in range(400)
        )
    _fill_votes(installation)
    _write_run(installation.settings.state / "runs" / "run1", _evaluation(accepted=True))


def _fill_snapshots(session: Session) -> None:
    rows: dict[str, list[Row]] = {"demonstrations": [], "pairs": [], "labels": []}
    with count_votes(_votes()) as counted:
        quality = validation.assess(counted.make_sources(), LeftOut(person=7), rows, "v1", CollectConfig())
    counts = {"votes": 120, "people": 30, "demonstrations": 20, "pairs": 80, "labels": 15}
    for digest, accepted, days in (("aaaa1111" * 4, True, 9), ("bbbb2222" * 4, False, 2)):
        session.add(
            Snapshot(
                digest=digest,
                path="/somewhere",
                counts=counts,
                high_water=1,
                trained_at=NOW - timedelta(days=8) if accepted else None,
                accepted=accepted,
                reasons=[] if accepted else [BIASED],
                quality=quality.model_dump(mode="json"),
                created_at=NOW - timedelta(days=days),
            )
        )


def _votes() -> list[Usable]:
    """Comparisons by forty people, who choose the text shown first nine times of ten."""
    return [
        Usable(
            feedback_id=new_id(),
            user_id=uuid.UUID(int=number % 40 + 1),
            key_id=None,
            kind="comparison",
            thumb_up=None,
            rating=None,
            edit=None,
            output_id=new_id(),
            message=f"message {number}",
            transform_type="soften",
            intensity=1,
            output="one",
            version="v1",
            other_id=new_id(),
            other="another",
            other_version="v1",
            first_is_preferred=number % 10 != 0,
        )
        for number in range(80)
    ]


def _fill_versions(session: Session) -> None:
    rows = (("v1", None, 8, True), ("v2", "v1", 5, False), ("v3", "v1", 3, True), ("v4", "v1", 2, True))
    for name, parent, days, accepted in rows:
        run = f"run{name[1:]}"
        session.add(
            Version(
                name=name,
                parent=parent,
                run_id=run,
                method="dpo",
                metrics={"composite": 0.5 + int(name[1:]) / 100, "facts_kept": 0.9},
                accepted=accepted,
                reasons=[] if accepted else [REJECTED],
                created_at=NOW - timedelta(days=days),
            )
        )
        session.flush()
        session.add(Lineage(source=f"run:{run}", target=f"version:{name}"))
        session.add(Lineage(source=f"snapshot:{'aaaa1111' * 4}", target=f"run:{run}"))


def _fill_routing(session: Session) -> None:
    first, second = Spec(version="v1"), Spec(version="v3")
    routing.publish(session, Routing(champion=first), "the first")
    experiment_id = new_id()
    arms = (Arm(name="v1", weight=0.5, spec=first), Arm(name="v3", weight=0.5, spec=second))
    split = Split(experiment_id=experiment_id, salt="s", arms=arms, ramp=0.25)
    session.add(
        Experiment(
            id=experiment_id, name="Softer requests", hypothesis="x", salt="s", plan={"primary": "x"},
            status="running", started_at=NOW,
        )
    )  # fmt: skip
    epoch = routing.publish(session, Routing(champion=first, experiments=(split,)), "a step of the ramp")
    session.flush()
    release = Release(
        version="v1", replaced=None, spec_digest=first.digest, epoch=1, reasons=written("The first version.")
    )
    session.add(release)
    session.flush()
    session.add(Lineage(source="version:v1", target=f"release:{release.id}"))
    session.add(Gateway(id=new_id(), epoch=epoch - 1, seen_at=NOW + timedelta(hours=1)))
    session.add(Gateway(id=new_id(), epoch=epoch - 1, seen_at=NOW - timedelta(hours=1)))
    for action, outcome in (("ramp", None), ("ship", "failed"), ("pause", "done")):
        session.add(
            Decision(
                experiment_id=experiment_id, action=action, parameters={},
                reasons=written(f"Because of {action}."),
                failure=[reason("not_accepted", version="v3")] if outcome == "failed" else None,
                requested_by="flow:experiment", idempotency_key=str(uuid.uuid4()), outcome=outcome,
            )
        )  # fmt: skip


def _output(organisation_id: uuid.UUID, at: datetime, message: str, kind: str = "soften") -> Output:
    return Output(
        id=id_at(at), organisation_id=organisation_id, message=message, transform_type=kind, intensity=1,
        text="y", facts_missing=[], spec_digest="d", version="v1", upstream_ms=1.0,
    )  # fmt: skip


def _messages(organisation_id: uuid.UUID) -> Iterator[Output]:
    """220 messages of the same length in each of ten weeks. In the last week most are Japanese."""
    for week in range(10):
        for number in range(220):
            words = "急ぎでお願いします。" if week == 0 and number % 10 else "Fix it today. "
            at = NOW - timedelta(days=7 * week + 0.1 + 6 * number / 220)
            yield _output(organisation_id, at, f"{words} {number:05} {week}".ljust(35)[:35])


def _fill_votes(installation: Installation) -> None:
    """A thumb on each second output of the last two days, and none on those of the other organisation."""
    with Session(installation.engine) as session, session.begin():
        since = answers.floor(NOW - timedelta(days=2))
        own = select(Output).where(Output.id >= since, Output.organisation_id == installation.organisation_id)
        for number, output in enumerate(session.scalars(own.order_by(Output.id))):
            if number % 2 == 0:
                session.add(
                    Feedback(
                        id=id_at(NOW - timedelta(minutes=1)), organisation_id=installation.organisation_id,
                        user_id=new_id(), output_id=output.id, kind="thumb", thumb_up=True,
                    )
                )  # fmt: skip


def _write_run(run: Path, evaluated: Evaluation) -> None:
    """The files that a training run writes, and text in its card that attacks the reader's browser."""
    for name in ("version", "evaluation", "sft"):
        (run / name).mkdir(parents=True)
    training.write_figures(evaluated, run / "evaluation")
    origin = card.Origin(
        run=run.name, base="smollm2-135m", method="dpo", parent=None, snapshot="aaaa1111" * 4,
        counts={"votes": 120},
    )  # fmt: skip
    card.write(run / "version", origin, evaluated)
    with (run / "version" / "README.md").open("a") as file:
        file.write(
            "\n<script>alert(1)</script> [a link](javascript:alert(1)) ![pixel](https://evil.example/x)\n"
        )
    log = [{"step": float(step), "loss": 3.0 - step / 10, "grad_norm": 1.0} for step in range(10)]
    log += [{"step": 9.0, "eval_loss": 2.2}]
    log[3]["grad_norm"] = float("nan")
    result = SftResult(
        out=run / "sft", digest="d", train_rows=10, validation_rows=2, rows_too_long=0, steps=10,
        resumed_from_step=0, out_of_memory_at=(), held_out_loss_before=3.0, held_out_loss_after=2.2,
        unhealthy=health.faults(log, {"grad_norm": (1e-3, 10.0)}), seconds=90.0, history=tuple(log),
    )  # fmt: skip
    training.write_figures(result, run / "sft")
    health.plot(log, {"grad_norm": (1e-3, 10.0)}, run / "sft" / "health.png")
