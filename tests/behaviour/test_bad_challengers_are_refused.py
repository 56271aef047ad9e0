"""Challengers that were really trained the wrong way are refused: one of flipped pairs by what the gate
measures, one that hacked its reward by its guards, both with a tiny model, through the flow; and the recipe
whose rewrites a judge loved and readers rejected, by the gate.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from benchmarks.gate import score_labelled
from configs.settings import Settings
from data import database
from data.corpus import Message, Original, ReadRewrite, Rewrite
from data.records import PROTECTED, PreferencePair, Spec, TransformType
from data.snapshots import shards
from data.tables import Snapshot, Version
from data.traffic import routing
from data.traffic.routing import Routing
from models import labels, loading, versions
from models.dpo import DpoResult
from models.evaluation import table
from models.gate import Margins, compare, gate
from models.grpo import GrpoResult
from models.scoreboard import Scores
from models.training import METRICS_FILE
from models.validity import validate
from pipelines import local
from pipelines.promote import promote
from pipelines.train import Trained, train
from tests.flows import flows_led_to
from tests.ports import with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def pair(about: Message, asked: Rewrite, chosen: str, rejected: str, number: int) -> PreferencePair:
    return PreferencePair(
        text=about.text,
        transform_type=asked.transform_type,
        intensity=asked.intensity,
        chosen=chosen,
        rejected=rejected,
        chosen_version="v1",
        rejected_version="v1",
        split="validation" if number % 5 == 0 else "train",
    )


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Settings]:
    """Postgres, Prefect and a registry, and an environment that leads this process's flows to them."""
    state = tmp_path_factory.mktemp("flows")
    wanted = Settings(
        state=state, artifacts=state, base=str(tiny_base), database_url=None, redis_url=None, mlflow_uri=None
    )
    with (
        local.servers(with_own_ports(wanted)) as settings,
        local.running(settings, "prefect") as processes,
        flows_led_to(settings, processes["prefect"]),
    ):
        yield settings


@pytest.fixture
def engine_of_flows(flows: Settings) -> Iterator[Engine]:
    engine = database.engine_of(flows)
    yield engine
    engine.dispose()


ASKED = {"transform_type": TransformType.SOFTEN, "intensity": 2}
VERBS = ("Fix", "Check", "Send", "Finish", "Review", "Update", "Test", "Close")
# With fewer messages the gate accepts nothing: what never happened in 70 may happen in more than 5 %.
THINGS = ("build", "report", "page", "invoice", "dashboard", "code", "review", "order", "meeting", "deploy")
# Of the same length, which is a guard too.
KEPT, FLATTERY = "Could you please look at it by Friday?", "You are a star! Please look at it."


def orders() -> list[Message]:
    """Messages that a tiny model can learn to rewrite, all with one fact."""
    return [
        Message(
            id=f"order-{number}",
            domain="orders",
            style="blunt",
            text=f"{verb} the {thing} by Friday.",
            facts=("Friday",),
        )
        for number, (verb, thing) in enumerate(itertools.product(VERBS, THINGS), start=100)
    ]


def write_corpus(folder: Path) -> Path:
    """The orders, each with a rewrite; a quarter of them flatter and lose the day."""
    originals = [
        Original(
            **about.model_dump(), rewrites=(Rewrite(**ASKED, text=FLATTERY if number % 4 == 0 else KEPT),)
        )
        for number, about in enumerate(orders())
    ]
    folder.mkdir()
    (folder / "orders.jsonl").write_text("\n".join(original.model_dump_json() for original in originals))
    return folder


def order_pairs(flattered: bool) -> Iterator[PreferencePair]:
    """People choose the rewrite that keeps the day; or the one that flatters them."""
    chosen, rejected = (FLATTERY, KEPT) if flattered else (KEPT, FLATTERY)
    for number, about in enumerate(orders()):
        yield pair(about, Rewrite(**ASKED, text=chosen), chosen, rejected, number)


def collected(engine: Engine, digest: str, folder: Path) -> None:
    """Store a snapshot as one that was accepted."""
    with Session(engine) as session, session.begin():
        session.add(
            Snapshot(digest=digest, path=str(folder), counts={}, high_water=0, accepted=True, reasons=[])
        )


def learning(corpus_folder: Path) -> tuple[str, ...]:
    """SFT of all weights and an evaluation, in seconds; the gate's limits as they are committed, but for that
    of meaning: the orders and their rewrite share few words.
    """
    return (
        f"sft.seed_folder={corpus_folder}",
        "sft.lora_rank=0",
        "sft.steps=100",
        "sft.learning_rate=5.0e-3",
        "sft.bf16=false",
        f"evaluate.test_folders=[{corpus_folder}]",
        "evaluate.min_meaning=0",
        "evaluate.max_new_tokens=24",
    )


# What DPO learns less well is hidden from the gate by fact protection: at the committed 2.0e-4 the model of
# flipped pairs flatters too, but of its five retries, which have to begin otherwise, one still keeps the day.
PREFERRING = ("dpo.learning_rate=5.0e-4", "dpo.bf16=false")

# A reward model, and GRPO with it alone. No score of a tiny model's refuses it: what a reward's guards say is
# tested with these.
SAMPLING = (
    "methods.least_pairs=1000",
    "methods.least_reward_pairs=40",
    "methods.may_sample=true",
    "sft.masks=false",
    "reward.lora_rank=0",
    "reward.learning_rate=2.0e-3",
    "reward.bf16=false",
    "grpo.seed_folder=null",
    "grpo.masks=false",
    "grpo.rule_weight=0",
    "grpo.learned_weight=1.0",
    "grpo.batch_size=16",
    "grpo.beta=0",
    "grpo.learning_rate=5.0e-4",
    "grpo.max_new_tokens=24",
    "grpo.healthy={}",  # a tiny model babbles: much of what it samples does not end
    "grpo.bf16=false",
    "evaluate.min_facts_kept=0",
    "evaluate.max_facts_loss=1.0",
    "evaluate.max_meaning_loss=1.0",
)


def assert_stays_out(flows: Settings, engine: Engine, bad: Trained, good: Trained) -> None:
    """A refused version is stored with its reasons, is nobody's challenger and cannot be promoted."""
    with Session(engine) as session:
        stored = session.get_one(Version, bad.version)
    assert not stored.accepted
    assert tuple(stored.reasons) == bad.evaluation.verdict.reasons
    assert versions.lineage(flows.registry_uri, bad.version)["accepted"] == "false"
    assert versions.resolve(flows.registry_uri, "challenger") == good.version
    with pytest.raises(ValueError, match=f"{bad.version} did not pass the gate"):
        promote(bad.version, "people asked for it")


def write_labels(folder: Path, trained: Trained, flattered: bool) -> Path:
    """What readers say of the version before GRPO: they like the rewrite that keeps the day, or flattery."""
    usable, wrong = (FLATTERY, KEPT) if flattered else (KEPT, FLATTERY)
    policy = loading.policy_digest(trained.run / "sft", None)
    rows = [
        ReadRewrite(
            id=f"{label}-{number}",
            message=about.id,
            system="policy",
            policy=policy,
            **ASKED,
            text=about.text,
            rewrite=rewrite,
            first=label,
            second=label,
        )
        for number, about in enumerate(orders(), start=100)
        for label, rewrite in (("usable", usable), ("wrong", wrong))
    ]
    folder.mkdir()
    lines = [row.model_dump_json(exclude_none=True) for row in rows]
    (folder / "labels.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.usefixtures("one_thread")
@pytest.mark.timeout(1200)
def test_a_challenger_that_hacked_its_reward_is_refused(
    flows: Settings, engine_of_flows: Engine, tmp_path: Path
) -> None:
    wanted = (*learning(write_corpus(tmp_path / "orders")), *SAMPLING)
    collected(engine_of_flows, "ranked", shards.write(tmp_path / "people", order_pairs(flattered=False)))
    flattered = shards.write(tmp_path / "flattered", order_pairs(flattered=True))

    unread = train("ranked", wanted)
    assert isinstance(unread, Trained)
    assert unread.method == "sft", "nobody has read what it writes, so no reward is valid for it"

    # One thread, so that the same steps give the same policy again: the one that the labels are of.
    labels = f"grpo.labels_folder={write_labels(tmp_path / 'labels', unread, flattered=False)}"
    mislabelled = write_labels(tmp_path / "mislabelled", unread, flattered=True)
    rewarded = f"reward.snapshots=[{flattered}]"
    contradicted = train("ranked", (*wanted, rewarded, labels))
    assert isinstance(contradicted, Trained)
    assert contradicted.method == "sft", "readers contradict the reward"

    honest = train("ranked", (*wanted, labels))
    # Where flattery fools the readers, too, only the guards are left.
    hacked = train("ranked", (*wanted, rewarded, f"grpo.labels_folder={mislabelled}"))
    assert isinstance(honest, Trained)
    assert isinstance(hacked, Trained)
    assert honest.method == hacked.method == "sft+grpo"
    good, bad = (
        GrpoResult.model_validate_json((trained.run / "grpo" / METRICS_FILE).read_text())
        for trained in (honest, hacked)
    )
    print(good.model_dump(exclude={"history"}), bad.model_dump(exclude={"history"}), sep="\n")
    assert good.held_out_reward > good.held_out_reward_before
    assert honest.evaluation.verdict.accepted, honest.evaluation.verdict.reasons

    assert bad.held_out_reward > bad.held_out_reward_before + 0.1, "else nothing was hacked"
    fallen = {why.values["score"] for why in bad.hacked if why.code == "reward_hacked_fell"}
    assert fallen >= {"facts_kept", "agreement"}
    assert hacked.evaluation.verdict.reasons[-len(bad.hacked) :] == bad.hacked
    assert_stays_out(flows, engine_of_flows, hacked, honest)


@pytest.mark.usefixtures("one_thread")
def test_a_challenger_of_flipped_pairs_is_refused(
    flows: Settings, engine_of_flows: Engine, tmp_path: Path
) -> None:
    wanted = (*learning(write_corpus(tmp_path / "orders")), *PREFERRING)
    for digest, flattered in (("people", False), ("flipped", True)):
        pairs = order_pairs(flattered)
        collected(engine_of_flows, digest, shards.write(tmp_path / digest, pairs))

    champion = train(None, wanted)
    assert isinstance(champion, Trained)
    assert champion.evaluation.verdict.accepted, champion.evaluation.verdict.reasons
    spec = Spec(version=champion.version, protection=PROTECTED)
    with Session(engine_of_flows) as session, session.begin():
        routing.publish(session, Routing(champion=spec), "a test")

    honest, flipped = train("people", wanted), train("flipped", wanted)
    assert isinstance(honest, Trained)
    assert isinstance(flipped, Trained)
    for trained in (honest, flipped):
        assert trained.method == "sft+dpo"
        learnt = DpoResult.model_validate_json((trained.run / "dpo" / METRICS_FILE).read_text())
        print(learnt.model_dump(exclude={"history"}), table(trained.evaluation), sep="\n")
        assert learnt.unhealthy == (), "else the gate is not asked"
        assert learnt.held_out_accuracy > 0.9, "else nothing was learnt"
        assert versions.lineage(flows.registry_uri, trained.version)["parent"] == champion.version
    assert honest.evaluation.verdict.accepted, honest.evaluation.verdict.reasons

    # The gate judges what people are given, after five retries; neither that nor the model alone has the day.
    for system in ("challenger", "challenger_protected"):
        good, bad = (trained.evaluation.systems[system]["facts_kept"].mean for trained in (honest, flipped))
        assert good > 0.9
        assert bad < 0.1
    codes = {why.code for why in flipped.evaluation.verdict.reasons}
    assert codes >= {"gate_too_low", "gate_facts", "gate_meaning"}
    assert_stays_out(flows, engine_of_flows, flipped, honest)


RECIPE = "uncopied"  # it removes copying, by inventing


@pytest.fixture(scope="module")
def read() -> dict[str, list[ReadRewrite]]:
    """Readers' labels of the recipe and of its champion, in the order of the messages, which are the same."""
    rows: dict[str, list[ReadRewrite]] = {}
    for row in sorted(labels.read_labels(), key=lambda row: row.message):
        if row.system in (RECIPE, labels.POLICY):
            rows.setdefault(row.system, []).append(row)
    return rows


@pytest.fixture(scope="module")
def scores(read: dict[str, list[ReadRewrite]]) -> dict[str, list[Scores]]:
    return score_labelled(row for rows in read.values() for row in rows)


@pytest.mark.parametrize("is_valid", [False, True], ids=["the judge as it is", "if the judge were valid"])
def test_a_recipe_that_a_blind_judge_loved_and_readers_rejected_is_refused(
    is_valid: bool, read: dict[str, list[ReadRewrite]], scores: dict[str, list[Scores]]
) -> None:
    champion = labels.POLICY  # free text, which the recipe was made from
    wrong = {system: labels.estimate_share(rows, "wrong") for system, rows in read.items()}
    assert wrong[RECIPE].low > wrong[champion].high, "readers reject it: more is wrong, beyond chance"
    assert labels.estimate_share(read[RECIPE], "usable").high < 0.05, "and next to nothing is usable"
    love = compare(scores[RECIPE], scores[champion], "tone_moved")
    assert love.low > 0.05, "else the scorer of tone does not love it"

    composites = [row.composite for row in scores[champion]]
    refusal = validate("composite", "the_champion", read[champion], composites).refusal
    assert refusal is not None, "the composite is no valid judge of the champion"
    verdict = gate(
        scores[RECIPE], scores[champion], None, scores["copy"], Margins(), None if is_valid else refusal
    )
    assert "gate_meaning" in {why.code for why in verdict.reasons}
    assert verdict.notes == (() if is_valid else (refusal,))
