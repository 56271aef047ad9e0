"""What comes from a page or a job is one trace, through all processes, to the inference service."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.records import PROTECTED, Spec
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local
from tests.accounts import PASSWORD
from tests.collectors import Collector, collecting, values_of
from tests.dashboards import csrf_token, set_up
from tests.ports import with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MESSAGE = "Fix the planted page now."


@dataclass(frozen=True)
class Site:
    """An installation whose processes send spans, and what the collector got."""

    settings: Settings
    key: str
    email: str
    collector: Collector

    def find_way(self, *names: str) -> list[Span]:
        """The spans on a way from a span to one below it, as soon as all have come. `service name` names a
        span.
        """
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            named = {span.span_id: f"{service.removeprefix('tonebridge-')} {span.name}"
                     for service, span in self.collector.spans}  # fmt: skip
            for _, span in self.collector.spans:
                way: list[Span] = [span]
                while (above := self.collector.above(way[0])) is not None:
                    way.insert(0, above)
                if [named.get(each.span_id) for each in way] == list(names):  # one may have just come
                    return way
            time.sleep(0.1)
        pytest.fail(f"no way {names} in {[(service, span.name) for service, span in self.collector.spans]}")


@pytest.fixture(scope="module")
def site(
    stack: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    state = tmp_path_factory.mktemp("traced")
    shutil.copytree(stack.model_store, state / "bentoml")
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        changes = {"database_url": new_database(), "state": state, "otlp_endpoint": collector.endpoint}
        settings = with_own_ports(stack.model_copy(update=changes))
        installation = set_up(settings)
        with Session(installation.engine) as session, session.begin():
            champion = Spec(version="v1", max_new_tokens=8, protection=PROTECTED)
            routing.publish(session, Routing(champion=champion), "a test")
        email = installation.account("experimenter")
        installation.engine.dispose()
        names = ("gateway", "inference", "worker", "web", "dashboard")
        with local.running(settings, *names) as processes:
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            for name in ("web", "dashboard"):
                port = getattr(settings, f"{name}_port")
                processes[name].wait_until_ready(f"http://127.0.0.1:{port}/livez")
            yield Site(settings, installation.key, email, collector)


def sign_in(client: httpx.Client, site: Site) -> None:
    answer = client.post("/sign-in", data={"email": site.email, "password": PASSWORD})
    assert answer.status_code == 303


def test_a_rewrite_on_a_page_is_one_trace_from_the_page_to_the_inference_service(site: Site) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{site.settings.web_port}", timeout=60) as client:
        sign_in(client, site)
        form = {"csrf": csrf_token(client, "/rewrite"), "transform_type": "soften", "intensity": "2"}
        page = client.post("/rewrite", data=form | {"text": MESSAGE}).text
        assert "planted" in page
        streamed = client.post("/rewrite/stream", data=form | {"text": f"{MESSAGE} Please."})
        assert "answer" in streamed.text
        client.get("/history", params={"q": "planted"})
        votes = re.findall(r'action="(/rewrite/[0-9a-f-]{36}/votes)"', page)
        vote = {"csrf": form["csrf"], "receipt": re.findall(r'name="receipt" value="([^"]+)"', page)[0]}
        voted = client.post(votes[0], data=vote | {"vote": "comment", "comment": "planted"})
        assert voted.status_code == 200

    way = ("web POST", "web gateway", "gateway transform", "gateway inference", "inference rewrite")
    posted, call, *_ = site.find_way(*way)
    assert values_of(posted) == {"route": "/rewrite", "status": 200}
    assert values_of(call) == {"method": "POST", "status": 200}
    streamed_at = site.find_way("web POST", "gateway transform", "gateway inference", "inference stream")[0]
    assert values_of(streamed_at)["route"] == "/rewrite/stream"
    site.find_way("web GET", "web gateway")
    ways = [site.collector.above(span) for span in site.collector.named("POST")]
    assert [span for span in ways if span is not None and span.name == "gateway"], "a vote is in its page's"


def test_a_page_of_the_dashboard_is_one_trace_to_the_inference_service(site: Site) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{site.settings.dashboard_port}", timeout=60) as client:
        sign_in(client, site)
        form = {"csrf": csrf_token(client, "/compare"), "transform_type": "soften", "intensity": "2"}
        answer = client.post("/compare/message", data=form | {"text": f"{MESSAGE} Compare."})
        assert answer.status_code in (303, 409)
    way = ("dashboard POST", "dashboard gateway", "gateway POST", "gateway inference", "inference rewrite")
    posted, _, compared, *_ = site.find_way(*way)
    assert values_of(posted)["route"] == "/compare/message"
    assert values_of(compared)["route"] == "/api/v1/comparisons/next"


def test_a_batch_leads_from_its_request_to_the_worker_and_the_inference_service(site: Site) -> None:
    items = [{"text": f"{MESSAGE} {number}.", "transform_type": "soften", "intensity": 2} for number in "ab"]
    address = f"{site.settings.gateway_url}/api/v1/jobs/batches"
    answer = httpx.post(address, json={"items": items}, headers={"X-API-Key": site.key}, timeout=60)
    assert answer.status_code == 202, answer.text
    attempt, *_ = site.find_way("worker attempt", "worker inference", "inference rewrite")
    (requested,) = site.collector.linked(attempt)
    assert (requested.name, values_of(requested)["id"]) == ("batch", answer.json()["id"])
    assert requested.trace_id == attempt.trace_id
    (post,) = site.collector.linked(requested)
    assert values_of(post)["route"] == "/api/v1/jobs/batches"


def test_no_span_has_a_text_or_a_secret(site: Site) -> None:
    """Runs last: the tests before it have sent all of them."""
    sent = b"".join(site.collector.bodies)
    secrets = (site.settings.secret("service_token"), site.key, PASSWORD, site.email)
    assert not [word for word in ("planted", *secrets) if word.encode() in sent]
