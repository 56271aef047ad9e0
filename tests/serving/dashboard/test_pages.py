"""The pages on models, data, calibration and operations: what they say of rows that are there, and what to do
where there are none. A real gateway knows who asks.
"""

import html
import random
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from configs.settings import SERVICE_USER, Settings
from data import database
from data.people import accounts, identities
from data.people.identities import Role
from data.reasons import reason, written
from data.records import Spec
from data.snapshots import validation
from data.snapshots.counting import LeftOut
from data.snapshots.votes import Usable
from data.tables import (
    Account,
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
from experiments import plan as plans
from models import card, health, training, versions
from models.evaluation import SHOWN, Evaluation
from models.gate import Verdict
from models.scoreboard import Estimate, Scores
from models.sft import SftResult
from pipelines import local as stack
from pipelines import tracking
from pipelines.collect import CollectConfig
from serving.dashboard import lineage, services
from serving.dashboard.app import create_app
from serving.dashboard.pages import calibration, data, models
from tests.logins import as_dashboard

PASSWORD = "a password for tests"
NOW = datetime.now(UTC)
REJECTED = reason("gate_composite", mean=-0.1, low=-0.12, high=-0.08)
REFUSED = (
    "It is worse than the champion beyond noise: the composite changes by -0.100, between -0.120 and -0.080."
)
BIASED = reason(
    "position_bias", people=40, share=0.9, votes=80, low=0.85, high=0.95, lowest=0.35, highest=0.65
)


@dataclass(frozen=True)
class Place:
    """An installation of the test's own: its settings, its rows, and who may sign in."""

    settings: Settings
    engine: Engine
    organisation_id: uuid.UUID

    def account(self, role: Role) -> str:
        """The address of a new account with that role."""
        email, account_id = f"{role}-{new_id()}@example.org", new_id()
        with Session(self.engine) as session, session.begin():
            session.add(
                Account(
                    id=account_id,
                    organisation_id=self.organisation_id,
                    user_id=new_id(),
                    email=email,
                    name="",
                    role=role,
                    password_hash=accounts.hash_password(PASSWORD),
                )
            )
        return email

    def client(self, role: Role = "viewer") -> TestClient:
        """A browser in which a new account with that role has signed in."""
        email = self.account(role)
        # From an address of their own: who signs in for the first time shares the tries of an address.
        visitor = (str(IPv4Address(random.getrandbits(32))), 1)
        app = create_app(as_dashboard(self.settings))
        client = TestClient(app, base_url="http://127.0.0.1", client=visitor)
        response = client.post(
            "/sign-in", data={"email": email, "password": PASSWORD}, follow_redirects=False
        )
        assert response.status_code == 303, response.text
        return client


@contextmanager
def opened(settings: Settings) -> Iterator[Place]:
    """A gateway on the settings' database, and the organisation that runs it."""
    assert settings.database_url is not None
    engine = database.engine(settings.database_url)
    identities.bootstrap(engine, None, settings.organisation)
    with Session(engine) as session:
        named = select(Organisation.id).where(Organisation.name == settings.organisation)
        organisation_id = session.scalars(named).one()
    with stack.running(settings, "gateway") as processes:
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        yield Place(settings, engine, organisation_id)
    engine.dispose()


@pytest.fixture(scope="module")
def place(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Rows of all kinds; nothing listens where MLflow and Prefect would be."""
    with opened(on_its_own(local, new_database(), tmp_path_factory.mktemp("filled"))) as one:
        fill(one)
        yield one


@pytest.fixture(scope="module")
def empty(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """An installation that has just been started."""
    with opened(on_its_own(local, new_database(), tmp_path_factory.mktemp("empty"))) as one:
        yield one


def on_its_own(settings: Settings, url: str, folder: Path) -> Settings:
    changes = {
        "database_url": url,
        "state": folder,
        "artifacts": folder / "artifacts",
        "mlflow_uri": "postgresql+psycopg://owner:a-password@db/mlflow",
    }
    return stack.with_free_ports(settings.model_copy(update=changes))


def id_at(moment: datetime) -> uuid.UUID:
    """A UUIDv7 of a moment."""
    chance = (7 << 76) | (0b10 << 62) | random.getrandbits(62)
    return uuid.UUID(int=answers.floor(moment).int | chance)


def estimate(mean: float) -> Estimate:
    return Estimate(mean=mean, low=mean - 0.05, high=mean + 0.05)


def found(accepted: bool) -> Evaluation:
    """An evaluation with every score of every system."""
    scores = {name: estimate(0.5) for name in {*Scores.model_fields, *SHOWN}}
    means = {"challenger": 0.71, "champion": 0.62, "copy_input": 0.33, "rules": 0.44, "reference": 0.93}
    systems = {name: scores | {"composite": estimate(mean)} for name, mean in means.items()}
    return Evaluation(
        cases=171,
        systems=systems | {"challenger_protected": systems["challenger"]},
        by_type={name: {"soften": row, "clarify": row} for name, row in systems.items()},
        move_by_intensity={"challenger": {str(i): estimate(i / 4) for i in range(4)}},
        win_rate=estimate(0.58),
        verdict=Verdict(accepted=accepted, reasons=() if accepted else (REJECTED,)),
    )


def fill(place: Place) -> None:
    """v1 is champion, v2 was refused, v3 runs in an experiment, v4 learned from somebody who was erased."""
    with Session(place.engine) as session, session.begin():
        _fill_snapshots(session)
        _fill_versions(session)
        erasure = Erasure(organisation_id=place.organisation_id, user_id=new_id(), counts={})
        session.add(erasure)
        session.flush()
        session.add(VersionOrder(erasure_id=erasure.id, version="v4", action="retire"))
        _fill_routing(session)
        session.add_all(_messages(place.organisation_id))
        other = Organisation(name="another")
        session.add(other)
        session.flush()
        # What others write is not seen: of theirs all is long, this week.
        session.add_all(
            an_output(other.id, NOW - timedelta(days=1), "x" * 2000, "requirements") for _ in range(400)
        )
    _fill_votes(place)
    write_run(place.settings.state / "runs" / "run1", found(accepted=True))


def _fill_snapshots(session: Session) -> None:
    quality = validation.assess(
        votes(), LeftOut(person=7), {"demonstrations": [], "pairs": [], "labels": []}, "v1", CollectConfig()
    )
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


def votes() -> list[Usable]:
    """Of forty people, who choose what is shown first nine times of ten."""
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
                experiment_id=experiment_id, action=action, parameters={}, requested_by="flow:experiment",
                reasons=written(f"Because of {action}."), idempotency_key=str(uuid.uuid4()), outcome=outcome,
                failure=[reason("not_accepted", version="v3")] if outcome == "failed" else None,
            )
        )  # fmt: skip


def an_output(organisation_id: uuid.UUID, at: datetime, message: str, kind: str = "soften") -> Output:
    return Output(
        id=id_at(at), organisation_id=organisation_id, message=message, transform_type=kind, intensity=1,
        text="y", facts_missing=[], spec_digest="d", version="v1", upstream_ms=1.0,
    )  # fmt: skip


def _messages(organisation_id: uuid.UUID) -> Iterator[Output]:
    """Ten weeks of 220 messages each: of the same length always, and in the last one mostly in Japanese."""
    for week in range(10):
        for number in range(220):
            words = "急ぎでお願いします。" if week == 0 and number % 10 else "Fix it today. "
            at = NOW - timedelta(days=7 * week + 0.1 + 6 * number / 220)
            yield an_output(organisation_id, at, f"{words} {number:05} {week}".ljust(35)[:35])


def _fill_votes(place: Place) -> None:
    """A thumb on each second output of the last two days; the other organisation's have none."""
    with Session(place.engine) as session, session.begin():
        since = answers.floor(NOW - timedelta(days=2))
        own = select(Output).where(Output.id >= since, Output.organisation_id == place.organisation_id)
        for number, output in enumerate(session.scalars(own.order_by(Output.id))):
            if number % 2 == 0:
                session.add(
                    Feedback(
                        id=id_at(NOW - timedelta(minutes=1)), organisation_id=place.organisation_id,
                        user_id=new_id(), output_id=output.id, kind="thumb", thumb_up=True,
                    )
                )  # fmt: skip


def write_run(run: Path, evaluated: Evaluation) -> None:
    """What a training leaves, by the code that writes it, with a card that somebody tampered with."""
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
        unhealthy=("grad_norm is nan at step 3; healthy is 0.001 to 10",), seconds=90.0, history=tuple(log),
    )  # fmt: skip
    training.write_figures(result, run / "sft")
    health.plot(log, {"grad_norm": (1e-3, 10.0)}, run / "sft" / "health.png")


def page_of(client: TestClient, address: str, status: int = 200) -> str:
    """A page as people read it: without tags, white space as one blank. Of a table, cells apart by |."""
    response = client.get(address)
    assert response.status_code == status, response.text[:2000]
    return in_words(response.text)


def in_words(page: str) -> str:
    body = page[page.index("<main") :]
    body = re.sub(r"</t[dh]>", " | ", body)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/models", "There is no version yet. The flow `train` makes one"),
        ("/data", "Nobody has voted in the last 30 days. People vote on the Compare page"),
        ("/data", "There is no snapshot yet. The flow `collect` makes one"),
        ("/data", "Your organisation has had no new output in the last seven days."),
        ("/data", "0 messages in the last seven days and 0 in the four weeks before, 200 are needed of each"),
        ("/calibration", "This is the report that is shipped"),
        ("/operations", "Nothing has been released yet, so the gateways answer nobody."),
        ("/operations", "All that was decided has been carried out."),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(empty: Place, address: str, says: str) -> None:
    with empty.client() as client:
        assert says.lower() in page_of(client, address).lower()


@pytest.mark.parametrize("address", ["/models", "/models/v1", "/data", "/calibration", "/operations"])
def test_they_are_for_viewers(place: Place, address: str) -> None:
    with place.client("member") as client:
        assert "This page is for viewers and above" in page_of(client, address, 403)
    with TestClient(create_app(as_dashboard(place.settings)), base_url="http://127.0.0.1") as client:
        response = client.get(address, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, f"/sign-in?to={address}")


def test_all_versions_with_how_they_stand(place: Place) -> None:
    with place.client() as client:
        page = page_of(client, "/models")
    assert "The champion is v1" in page
    assert "v1 . In experiments: v3 ." in page
    for name, standing in (
        ("v1", "champion"),
        ("v2", "refused"),
        ("v3", "in an experiment"),
        ("v4", "retired"),
    ):
        assert f"| {name} | {standing} | dpo |" in page.replace(" | | ", " | "), name
    assert REFUSED in page


def test_the_lineage_is_drawn_and_said(place: Place) -> None:
    with place.client() as client:
        html = client.get("/models").text
    svg = html[html.index('<svg class="lineage"') :]
    svg = svg[: svg.index("</svg>")]
    assert svg.count('class="edge"') == 4 + 4 + 1  # snapshot to runs, runs to versions, v1 to its release
    assert svg.count(f'href="/data#snapshot-{"aaaa1111" * 4}"') == 1
    for name in ("v1", "v2", "v3", "v4"):
        assert f'href="/models/{name}"' in svg
    assert "epoch 1" in svg
    assert "Run run2 learned from the seed corpus and snapshot" in in_words(html)
    assert "which was not released" in in_words(html)


def test_a_version_is_measured_beside_its_parent_and_the_baselines(place: Place) -> None:
    with place.client() as client:
        response = client.get("/models/v1")
    page = in_words(response.text)
    assert "Score | v1 | v1, facts protected | the bare base | copy of the message | rules |" in page
    row = page[page.index("composite higher is better |") :]
    assert "0.71 0.66 … 0.76 | 0.71 0.66 … 0.76 | 0.62 0.57 … 0.67 | 0.33 0.28 … 0.38 | 0.44" in row
    assert "171 held-out messages" in page
    assert "58.0% of the held-out messages score higher" in page
    assert "soften | 0.5" in page
    assert "grad_norm is nan at step 3" in page
    assert response.text.count('class="chart"') == 3  # scores, loss, gradient norm
    assert "loss (nats a token)" in page
    assert page.count("Released") == 1
    assert "never" not in page


def test_a_card_cannot_bring_in_html(place: Place) -> None:
    with place.client() as client:
        html = client.get("/models/v1").text
    assert "<h3>ToneBridge, run run1</h3>" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert 'href="javascript:' not in html
    assert "evil.example" not in html


def test_the_plot_of_health_is_the_trainers_and_no_other_file(place: Place) -> None:
    with place.client() as client:
        assert 'src="/models/v1/sft/health.png"' in client.get("/models/v1").text
        answer = client.get("/models/v1/sft/health.png")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == (place.settings.state / "runs/run1/sft/health.png").read_bytes()
        for address in (
            "/models/v1/dpo/health.png",
            "/models/v2/sft/health.png",
            "/models/v9/sft/health.png",
        ):
            assert client.get(address).status_code == 404
        assert client.get("/models/v1/..%2F..%2Frun1%2Fsft/health.png").status_code == 404


def test_without_the_runs_folder_the_means_are_shown_and_where_the_rest_is(place: Place) -> None:
    with place.client() as client:
        page = page_of(client, "/models/v2")
        assert "Refused" in page
        assert REFUSED in page
        assert "Score | v2 | v1 |" in page
        assert "composite higher is better | 0.52 | 0.51 |" in page
        assert "Its curves are files of the run's folder runs/run2" in page
        assert "There is no such page" in page_of(client, "/models/v9", 404)
        assert "There is no such page" in page_of(client, "/operations/versions/v9/mlflow", 404)
        ordered = page_of(client, "/models/v4")
    assert "It never becomes champion again." in ordered
    assert "the flow `retain` removes its weights" in ordered


def test_feedback_by_kind_and_response_rates(place: Place) -> None:
    with Session(place.engine) as session:
        own = Output.organisation_id == place.organisation_id
        week = select(func.count()).where(own, Output.id >= answers.floor(NOW - timedelta(days=7)))
        outputs = session.scalar(week)
        thumbs = session.scalar(select(func.count()).select_from(Feedback))
    assert outputs
    assert thumbs
    with place.client() as client:
        page = page_of(client, "/data")
    assert f"thumb | {thumbs} | {thumbs} |" in page
    assert "rating | 0 | 0 |" in page
    assert f"{thumbs} of {outputs} of the last seven days" in page


def test_why_a_snapshot_was_refused_and_what_was_measured_of_it(place: Place) -> None:
    with place.client() as client:
        html = client.get("/data").text
    page = in_words(html)
    assert f'<tr id="snapshot-{"bbbb2222" * 4}">' in html
    assert "refused | 120 | 30 | 20 | 80 | 15 | – | 40 people chose the text shown first in 90% of 80" in page
    assert "accepted | 120 | 30 | 20 | 80 | 15 | 20" in page
    assert "chose the one shown first: 90.0%" in page
    assert "80 votes of 40 people" in page
    assert "7 votes beyond the cap of a person" in page
    assert "comparisons: not known" in page  # nobody judged what another did


def test_drift_rings_for_what_has_changed_and_not_for_others_messages(place: Place) -> None:
    with place.client() as client:
        page = page_of(client, "/data")
    assert "What people write has changed in the last seven days: script." in page
    assert "script alarm: another distribution" in page
    assert "length steady; index 0 " in page  # the other organisation's are all long
    assert "transform type steady" in page
    assert "kana or kanji | 90.0% | 0.0% |" in page


def test_nothing_is_said_of_drift_where_counting_takes_too_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_MESSAGES", "SELECT pg_sleep(6), :weeks, CAST(:floors AS uuid[]), :most")
    with place.client() as client:
        page = page_of(client, "/data")
    assert "Postgres took longer than five seconds" in page
    assert "What people write has changed" not in page


def test_the_calibration_is_the_shipped_one_until_there_is_an_own(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = calibration.read(place.settings.artifacts)
    assert shipped is not None
    report = shipped.report
    with place.client() as client:
        page = page_of(client, "/calibration")
        assert "none was made on this machine" in page
        missed = {said.partition(":")[0] for said in report.missed}
        assert f"{len(report.settings) - len(missed)} of {len(report.settings)} settings reach all" in page
        assert report.missed[0].partition(": ")[2] in page
        plain = report.settings["plain"].shipped.aa_false_winner_rate
        assert f"| {100 * plain.value:.1f}% {100 * plain.low:.1f}% … {100 * plain.high:.1f}% |" in page

        other = tmp_path / "experiment.yaml"
        other.write_text(plans.FILE.read_text().replace("alpha: 0.05 ", "alpha: 0.01 ", 1))
        monkeypatch.setattr(plans, "FILE", other)
        assert "alpha chance of ever deciding wrongly" in (page := page_of(client, "/calibration"))
        assert "| 0.05 | 0.01 |" in page

        folder = place.settings.artifacts / "calibration"
        folder.mkdir(parents=True)
        own = report.model_copy(update={"missed": [], "plan": plans.load(), "experiments": 1234})
        (folder / "report.json").write_text(own.model_dump_json())
        page = page_of(client, "/calibration")
        assert "1,234 simulated experiments" in page
        assert "is the one that was calibrated" in page
        (folder / "report.json").write_text("{}")
        assert "none was made on this machine" in page_of(client, "/calibration")


def test_operations_say_what_is_in_force_and_who_is_behind(place: Place) -> None:
    with place.client() as client:
        page = page_of(client, "/operations")
    assert "Epoch 2: the champion is v1" in page
    assert "Softer requests | 25.0% | v1 50.0%, v3 50.0% |" in page
    assert "1 of 2 are behind: a release waits for them." in page  # the real one is not
    assert "1 behind |" in page
    assert "1 more went without a word" in page
    assert "| Softer requests | ramp | waits for the flow `experiment` |" in page
    failed = "v3 did not pass the gate, so it may not go live; its page says why"
    assert f"| Softer requests | ship | failed: {failed} | by itself | Because of ship. |" in page
    assert "Because of pause." not in page
    assert "| v1 | – | 1 | The first version. |" in page
    assert "no queue for background work yet" in page


@pytest.mark.filterwarnings(
    "ignore:Glyph .* missing from font:UserWarning"
)  # only to measure: SVG keeps text
def test_reasons_are_in_the_language_of_the_reader(place: Place) -> None:
    with place.client() as client:
        client.cookies.set("language", "ja")
        pages = {path: page_of(client, path) for path in ("/operations", "/models", "/models/v2", "/data")}
        html = client.get("/operations").text
    failed = "v3 は関門を通過していないため公開できません。理由はそのページにあります"
    assert f"| 失敗: {failed} |" in pages["/operations"]
    assert "Because of ship." in pages["/operations"], "what a person wrote stays as it is"
    for path in ("/models", "/models/v2"):
        assert "チャンピオンより明らかに悪い結果です。総合スコアの変化は -0.100" in pages[path]
    assert "40 人が 80 回の比較の 90%（信頼水準 95% で 85% から 95%）で、先に表示された文を" in pages["/data"]
    assert "2 人以上が評価した出力は 0 件で、30 件必要です。" in pages["/data"]
    assert 'lang="en"' not in html[html.index("<main") :]


def test_there_is_no_link_to_what_does_not_answer(place: Place) -> None:
    with place.client() as client:
        html = client.get("/operations").text
        page = page_of(client, "/operations/versions/v1/mlflow", 503)
    assert f"MLflow does not answer at http://127.0.0.1:{place.settings.mlflow_port}." in in_words(html)
    assert f"Prefect does not answer at http://127.0.0.1:{place.settings.prefect_port}." in in_words(html)
    assert 'href="http' not in html
    assert "a-password" not in html
    assert "MLflow does not answer" in page


def test_mlflow_is_where_the_settings_say() -> None:
    def at(uri: str | None) -> str | None:
        return services.mlflow(Settings(mlflow_uri=uri, mlflow_port=5001))

    assert at(None) is None
    assert at("postgresql+psycopg://me:secret@db/mlflow") == "http://127.0.0.1:5001"
    assert at("https://me:secret@flow.example:8443/base/") == "https://flow.example:8443/base"
    assert (services.OF_VERSIONS, services.OF_EXPERIMENTS) == (versions.MODEL, tracking.EXPERIMENT)


def test_what_is_shown_of_an_evaluation_is_what_it_has() -> None:
    assert [*models.SCORES] == [*SHOWN, "perplexity"]
    assert models.STAGES == versions.STAGES


def test_a_snapshot_that_was_rewritten_is_named_by_what_stands_in_its_place() -> None:
    edges = [
        ("snapshot:b", "snapshot:c"), ("snapshot:a", "snapshot:b"), ("version:v1", "release:r1"),
        ("version:v1", "release:r2"), ("run:one", "version:v1"), ("snapshot:a", "run:one"),
        ("snapshot:x", "run:stopped"),
    ]  # fmt: skip
    one, stopped, other = lineage.chains(edges, {"one": "v1", "old": "v0"})
    assert one == lineage.Chain("c", "one", "v1", ["r2", "r1"])
    assert stopped == lineage.Chain("x", "stopped", None, [])
    assert other == lineage.Chain(None, "old", "v0", [])
    drawn = lineage.picture([one, stopped, other])
    assert drawn.rows == 4
    assert {(node.kind, node.id): node.row for node in drawn.nodes}[("version", "v1")] == 0.5
    assert sorted(f"{a.kind} {a.id} {b.kind} {b.id}" for a, b in drawn.edges) == [
        "run old version v0",
        "run one version v1",
        "snapshot c run one",
        "snapshot x run stopped",
        "version v1 release r1",
        "version v1 release r2",
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlflow's
def test_links_lead_to_the_right_runs(
    local: Settings, new_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLflow and Prefect as `make up` starts them."""
    settings = on_its_own(local, new_database(), tmp_path)
    settings = settings.model_copy(update={"mlflow_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"})
    with stack.running(settings, "mlflow", "prefect") as processes:
        at = f"http://127.0.0.1:{settings.mlflow_port}"
        processes["mlflow"].wait_until_ready(f"{at}/health", 180)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", SERVICE_USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", settings.secret("mlflow_password"))
        client = MlflowClient(tracking_uri=at)
        ids = {}
        for experiment in (versions.MODEL, tracking.EXPERIMENT):
            made = client.create_experiment(experiment)
            for value in ("one", "other"):
                ids[experiment, value] = made, client.create_run(made, tags={"run": value}).info.run_id
        for (experiment, value), (made, run) in ids.items():
            found = services.run_in_mlflow(settings, experiment, "run", value)
            assert found == f"{at}/#/experiments/{made}/runs/{run}"
        assert services.run_in_mlflow(settings, versions.MODEL, "run", "nobody") is None
        assert services.run_in_mlflow(settings, "no such experiment", "run", "one") is None
        assert services.answers(at)

        address = services.prefect(settings)
        processes["prefect"].wait_until_ready(f"{address}/api/health", 180)
        assert services.flow_runs(settings, 10) == []
        with services.prefect_client(settings) as prefect:
            flow = prefect.post("/flows/", json={"name": "collect"}).raise_for_status().json()["id"]
            state = {"type": "COMPLETED", "name": "NotEnoughFeedback", "message": "3 of 50"}
            run = prefect.post("/flow_runs/", json={"flow_id": flow, "state": state}).raise_for_status()
            scheduled = {"type": "SCHEDULED", "name": "Scheduled"}
            prefect.post("/flow_runs/", json={"flow_id": flow, "state": scheduled}).raise_for_status()
        (only,) = services.flow_runs(settings, 10)
        assert (only.flow, only.state, only.message) == ("collect", "NotEnoughFeedback", "3 of 50")
        assert only.address == f"{address}/runs/flow-run/{run.json()['id']}"
