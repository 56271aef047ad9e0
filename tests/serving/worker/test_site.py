"""A worker's process answers probes and Prometheus, counts its jobs, and ends by SIGTERM as before."""

import uuid
from collections.abc import Callable

import httpx
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from configs.settings import Settings
from data.jobs.queue import ClaimedJob, Failure, Kind
from data.reasons import reason
from data.tables import new_id
from pipelines.local import running
from serving.worker.counts import JobCounts
from tests import ports

REFUSED = [reason("job_failed")]


def test_the_process_answers_probes_and_prometheus_until_it_is_stopped(
    local: Settings, new_database: Callable[..., str]
) -> None:
    own = ports.with_own_ports(local.model_copy(update={"database_url": new_database()}))
    url = f"http://127.0.0.1:{own.worker_port}"
    with running(own, "worker") as processes:
        processes["worker"].wait_until_ready(f"{url}/livez")
        assert httpx.get(f"{url}/metrics").status_code == 401
        token = {"Authorization": f"Bearer {own.secret('metrics_token')}"}
        answer = httpx.get(f"{url}/metrics", headers=token)
        assert answer.status_code == 200
        names = {family.name for family in text_string_to_metric_families(answer.text)}
        assert {"tonebridge_job_attempts", "tonebridge_jobs_in_progress", "tonebridge_tokens"} <= names
        assert 'tonebridge_job_attempts_total{kind="rewrite",outcome="dead"} 0.0' in answer.text
        processes["worker"].stop()
        assert processes["worker"].exit_code == 0


def a_job() -> ClaimedJob:
    return ClaimedJob(new_id(), uuid.uuid4(), None, {}, 1, 0, None, None, 0.0)


def test_attempts_are_counted_by_outcome() -> None:
    registry = CollectorRegistry()
    counts = JobCounts(registry)

    def attempts(outcome: str) -> float | None:
        return registry.get_sample_value(
            "tonebridge_job_attempts_total", {"kind": "rewrite", "outcome": outcome}
        )

    assert attempts("dead") is None
    counts.begin([Kind.REWRITE])
    assert attempts("dead") == 0, "a rate sees the first one"
    failures = [
        Failure(a_job(), REFUSED, None),
        Failure(a_job(), REFUSED, 3.0),
        Failure(a_job(), REFUSED, 1.0, is_counted=False),
    ]
    with counts.doing(Kind.REWRITE, 5):
        assert registry.get_sample_value("tonebridge_jobs_in_progress", {"kind": "rewrite"}) == 5
        counts.stored(Kind.REWRITE, 2, failures)
    assert [attempts(name) for name in ("done", "dead", "again", "postponed")] == [2, 1, 1, 1]
    assert registry.get_sample_value("tonebridge_jobs_in_progress", {"kind": "rewrite"}) == 0
    assert registry.get_sample_value("tonebridge_job_list_seconds_count", {"kind": "rewrite"}) == 1
