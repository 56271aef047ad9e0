"""A model that we did not train, from its yaml to its answers. The vendor is a fake, all else is real."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.people import identities
from data.records import PROTECTED, Spec
from data.tables import Lineage, Output, Version, new_id
from data.traffic.routing import Arm, Routing, Split
from models import llm, versions
from models.endpoint import Endpoint, RefusedError
from pipelines import llm_version, local
from pipelines.environments import environment
from pipelines.llm_version import LlmVersionConfig
from pipelines.promote import make_champion, make_servable
from serving.gateway.app import create_app
from serving.gateway.parts import parts_of
from tests import endpoints, registry
from tests.endpoints import FakeEndpoint, completion
from tests.gateways import client as client_of
from tests.gateways import publish, running
from tests.logins import as_gateway
from tests.ports import with_own_ports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]


def soften(user: str) -> str:
    """The vendor's model: "Could you please fix it?" of "fix it"."""
    message = user.removeprefix("<message>\n").removesuffix("\n</message>").strip().rstrip(".!")
    return f"Could you please {message[:1].lower()}{message[1:]}?"


@pytest.fixture(scope="module")
def vendor() -> Iterator[FakeEndpoint]:
    with endpoints.serve(soften) as fake:
        yield fake


@pytest.fixture(scope="module")
def installation(
    local_settings: Settings,
) -> Iterator[Settings]:
    """An inference service and a registry of these tests' own, with the vendor's key in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_API_KEY", "right")
        for name, value in environment(local_settings).items():
            patch.setenv(name, value)
        with local.running(local_settings, "inference") as processes:
            processes["inference"].wait_until_ready(f"{local_settings.inference_urls[0]}/livez")
            yield local_settings


@pytest.fixture(scope="module")
def local_settings(
    local: Settings,
    tiny_base: Path,
    new_database: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    state = tmp_path_factory.mktemp("llm")
    return with_own_ports(local).model_copy(
        update={
            "state": state,
            "base": str(tiny_base),
            "database_url": new_database(),
            "mlflow_uri": f"sqlite:///{state / 'mlflow.db'}",
        }
    )


@pytest.fixture(scope="module")
def engine(local_settings: Settings) -> Iterator[Engine]:
    engine = database.engine_of(local_settings)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def config(vendor: FakeEndpoint, tmp_path_factory: pytest.TempPathFactory) -> LlmVersionConfig:
    corpus = tmp_path_factory.mktemp("corpus")
    rows = [
        {
            "id": f"test-{number}",
            "domain": "test",
            "style": "blunt",
            "text": f"Fix PAY-{number} by Friday.",
            "facts": [f"PAY-{number}", "Friday"],
            "rewrites": [
                {"transform_type": "soften", "intensity": 2, "text": f"Could you fix PAY-{number} by Friday?"}
            ],
        }
        for number in range(100, 240)
    ]
    (corpus / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return LlmVersionConfig(
        endpoint=Endpoint(
            base_url=vendor.url,
            model="m",
            key_variable="FAKE_API_KEY",
            timeout_s=60,
            retries=0,
            input_usd=2,
            output_usd=8,
        ),
        evaluate=(f"test_folders=[{corpus}]", "min_meaning=0"),
    )


def test_a_version_is_evaluated_and_registered_and_the_same_model_is_the_same_version(
    installation: Settings, engine: Engine, vendor: FakeEndpoint, config: LlmVersionConfig
) -> None:
    name, evaluated = llm_version.main(installation, config)
    assert name == "v1"
    assert evaluated.verdict.accepted, evaluated.verdict.reasons
    assert evaluated.systems["challenger_protected"]["facts_kept"].mean == 1
    with Session(engine) as session:
        row = session.scalars(select(Version)).one()
        edges = [(edge.source, edge.target) for edge in session.scalars(select(Lineage))]
    assert (row.name, row.method, row.parent, row.accepted) == ("v1", "openai", None, True)
    assert edges == [(f"run:{row.run_id}", "version:v1")]
    assert versions.resolve(installation.registry_uri, "challenger") == "v1"
    folder = versions.download(installation.registry_uri, installation.artifact_store, "v1")
    assert llm.read(folder).endpoint == config.endpoint
    assert "right" not in (folder / llm.FILE).read_text()

    vendor.requests.clear()
    assert llm_version.main(installation, config) == (name, evaluated)
    assert len(vendor.requests) == 1, "it is asked who it is, and is not evaluated again"


def test_a_model_that_talks_is_refused_by_the_gate(
    installation: Settings, vendor: FakeEndpoint, config: LlmVersionConfig
) -> None:
    vendor.answer = lambda user: f"Sure! Here is your message: {user}"
    assert config.endpoint is not None
    talker = config.endpoint.model_copy(update={"model": "talker"})
    other = config.model_copy(update={"endpoint": talker, "evaluate": (*config.evaluate, "most_cases=8")})
    try:
        name, evaluated = llm_version.main(installation, other)
    finally:
        vendor.answer = soften
    assert name == "v2"
    assert not evaluated.verdict.accepted
    assert versions.resolve(installation.registry_uri, "challenger") == "v1"


@pytest.fixture
async def gateway(
    installation: Settings, engine: Engine, tiny_version: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in this process, with a key, after the promotion of a model of ours: v3."""
    if versions.resolve(installation.registry_uri, "champion") is None:
        registry.register(installation, tmp_path_factory.mktemp("ours"), tiny_version, ("v3",))
        with Session(engine) as session, session.begin():
            session.add(Version(name="v3", run_id="v3", method="sft", metrics={}, accepted=True, reasons=[]))
        spec = await asyncio.to_thread(make_servable.fn, installation, "v3")
        await asyncio.to_thread(make_champion.fn, installation, engine, spec, "ours")
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    front = create_app(as_gateway(installation))
    async with running(front) as app, client_of(front) as client:
        client.headers["X-API-Key"] = key
        client.app = app  # type: ignore[attr-defined]
        yield client


async def ask(client: httpx.AsyncClient) -> dict[str, object]:
    number = uuid.uuid4().int % 10**6
    body = {"text": f"Fix PAY-{number} today.", "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    response = await client.post("/api/v1/transform", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


async def test_a_vendor_is_an_arm_and_its_failures_fall_back_to_our_champion(
    installation: Settings, engine: Engine, vendor: FakeEndpoint, gateway: httpx.AsyncClient
) -> None:
    spec = await asyncio.to_thread(make_servable.fn, installation, "v1")
    assert spec == Spec(
        version="v1", prompt="frame-2", engine="openai", max_new_tokens=256, protection=PROTECTED
    )
    arms = (Arm(name="vendor", weight=1, spec=spec),)
    split = Split(experiment_id=new_id(), salt="s", arms=arms)
    ours = Spec(version="v3", protection=PROTECTED, max_new_tokens=8)
    publish(engine, Routing(champion=ours, experiments=(split,)))
    made = parts_of(gateway.app)  # type: ignore[attr-defined]
    await made.directory.beat()

    answer = await ask(gateway)
    assert (answer["version"], answer["variant"], answer["fallback"]) == ("v1", "vendor", False)
    assert str(answer["transformed_text"]).startswith("Could you please fix PAY-")
    with Session(engine) as session:
        [row] = session.scalars(select(Output).where(Output.version == "v1"))
    assert (row.prompt_tokens, row.tokens) == (50, 7)
    assert row.cost_usd == pytest.approx((50 * 2 + 7 * 8) / 1e6)
    text = made.telemetry.metrics().decode()
    assert 'tonebridge_tokens_total{kind="written",version="v1"} 7.0' in text
    assert 'tonebridge_cost_usd_total{version="v1"} 0.000156' in text

    vendor.replies = [completion("")]
    answer = await ask(gateway)
    assert (answer["version"], answer["variant"], answer["fallback"]) == ("v3", "vendor", True)
    assert 'tonebridge_failed_rewrites_total{version="v1"} 1.0' in made.telemetry.metrics().decode()
    answer = await ask(gateway)
    assert (answer["version"], answer["fallback"]) == ("v1", False), "one failure is no breakdown"
    with Session(engine) as session:
        assert session.scalars(select(Output.cost_usd).where(Output.version == "v3")).one() == 0


async def test_a_vendor_can_be_champion(
    installation: Settings, engine: Engine, gateway: httpx.AsyncClient
) -> None:
    spec = await asyncio.to_thread(make_servable.fn, installation, "v1")
    made = parts_of(gateway.app)  # type: ignore[attr-defined]
    publish(engine, Routing(champion=spec))
    await made.directory.beat()
    answer = await ask(gateway)
    assert (answer["version"], answer["variant"], answer["fallback"]) == ("v1", "champion", False)


def test_a_model_that_does_not_answer_is_not_registered(
    installation: Settings, engine: Engine, vendor: FakeEndpoint, config: LlmVersionConfig
) -> None:
    vendor.replies = [(401, {}, "{}")]
    with pytest.raises(RefusedError, match="check the key"):
        llm_version.main(installation, config)


def test_the_committed_yaml_names_a_model_and_its_overrides_another_one() -> None:
    vendor = configs.load(LlmVersionConfig, "configs/llm.yaml")
    assert vendor.engine == "openai"
    overrides = ["endpoint=null", "llamacpp={threads: 4}", "gguf=/models/m.gguf"]
    assert configs.load(LlmVersionConfig, "configs/llm.yaml", overrides).engine == "llamacpp"


def test_a_model_to_try_is_that_of_the_file_or_of_the_overrides(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("endpoint: {base_url: http://host/v1, model: m, input_usd: 2}")
    opened = llm_version.open_model(mine, ["max_new_tokens=9"], {"input_usd": 99})
    assert opened.config.endpoint == Endpoint(base_url="http://host/v1", model="m", input_usd=2)
    assert (opened.config.max_new_tokens, opened.server) == (9, None)
    override = "endpoint={base_url: http://host/v1, model: other}"
    overridden = llm_version.open_model(None, [override], {}).config
    assert overridden.endpoint is not None
    assert overridden.endpoint.model == "other"
    with pytest.raises(configs.ConfigError, match="No such file"):
        llm_version.open_model(tmp_path / "none.yaml", [], {})


def test_without_a_model_of_ones_own_llama_cpp_serves_a_small_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLAMACPP_API_KEY", "of nobody")
    opened = llm_version.open_model(None, [], {"input_usd": 0.5, "daily_tokens": 5000}, max_new_tokens=8)
    endpoint = opened.config.endpoint
    assert endpoint is not None
    assert (endpoint.input_usd, endpoint.daily_tokens) == (0.5, 5000)
    llm.write(opened.config.model(), ("en",), tmp_path / "version")
    stored = llm.read(tmp_path / "version")
    assert stored.answers_as == endpoint.model
    assert stored.spec("v1").max_new_tokens == 8
    assert os.environ["LLAMACPP_API_KEY"] not in (tmp_path / "version" / llm.FILE).read_text()


def test_a_config_names_one_model() -> None:
    with pytest.raises(ValidationError, match="either an endpoint or llamacpp"):
        LlmVersionConfig()
