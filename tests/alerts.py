"""When each alert fires and when it is silent: series of a minute's step, and the minute at which to look."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

DAY_S = 86_400


class Case(NamedTuple):
    """What is seen, as series of one number a minute, and whether an alert fires at a minute of it. Its
    condition holds from `since_minute` on, if it fires.
    """

    alert: str
    fires: bool
    what: str
    series: Mapping[str, str]
    at_minute: int
    since_minute: int = 0


class Level(NamedTuple):
    """An objective, and the series that it is computed of: all requests, and the good or the failed ones."""

    slo: str
    alert: str
    budget: float
    all: str
    part: str
    part_is_good: bool


LEVELS = (
    Level(
        "availability", "Availability", 0.001,
        'tonebridge_requests_total{job="gateway",kind="rewrite",status="200"}',
        'tonebridge_requests_total{job="gateway",kind="rewrite",status="503"}', False,
    ),
    Level(
        "cached_latency", "CachedLatency", 0.01,
        'tonebridge_request_seconds_count{job="gateway",cache="l1"}',
        'tonebridge_request_seconds_bucket{job="gateway",cache="l1",le="0.05"}', True,
    ),
    Level(
        "new_latency", "NewLatency", 0.05,
        'tonebridge_request_seconds_count{job="gateway",cache="miss"}',
        'tonebridge_request_seconds_bucket{job="gateway",cache="miss",le="1.0"}', True,
    ),
)  # fmt: skip


def burn(level: Level, requests: float, rate: float, minutes: int, healthy: int) -> dict[str, str]:
    """The series of a level with so many requests a minute: healthy minutes, then others in which its error
    budget burns at a rate.
    """
    failed = requests * level.budget * rate
    all_step = requests if level.part_is_good else requests - failed
    part_step = requests - failed if level.part_is_good else failed
    healthy_step = requests if level.part_is_good else 0.0
    return {
        level.all: f"0+{requests}x{healthy} {requests * healthy + all_step}+{all_step}x{minutes}",
        level.part: f"0+{healthy_step}x{healthy} {healthy_step * healthy + part_step}+{part_step}x{minutes}",
    }


def burns(level: Level) -> Iterator[Case]:
    """The alerts by burn rates and numbers of failures, all other things being as bad as they can be or fine.
    Each pair of windows fires alone, and each of its conditions can keep it silent.
    """

    def case(fires: bool, speed: str, what: str, **values: float) -> Case:
        series = {
            f"slo:{'failures' if name[0] == 'f' else 'burn_rate'}:{name[1:]}": value
            for name, value in values.items()
        }
        named = {f'{name}{{slo="{level.slo}"}}': f"{value}x10" for name, value in series.items()}
        return Case(f"{level.alert}Burns{speed}", fires, what, named, 5)

    quiet = {"b5m": 0.0, "b30m": 0.0, "b1h": 0.0, "b6h": 0.0, "f1h": 0.0, "f6h": 0.0}
    fast, steadily = {"b1h": 16.0, "b5m": 16.0, "f1h": 20.0}, {"b6h": 8.0, "b30m": 8.0, "f6h": 20.0}
    for pair, low in (
        (fast, {"b1h": 12.0, "b5m": 12.0, "f1h": 8.0}),
        (steadily, {"b6h": 5.0, "b30m": 5.0, "f6h": 8.0}),
    ):
        yield case(True, "Fast", " ".join(pair), **{**quiet, **pair})
        for name, value in low.items():
            yield case(False, "Fast", f"{name} is {value}", **{**quiet, **pair, name: value})
    slow = {"b3d": 1.5, "b6h": 1.5, "f3d": 20.0}
    yield case(True, "Slowly", "both are above the pace", **slow)
    for name, value in (("b3d", 0.8), ("b6h", 0.8), ("f3d", 8.0)):
        yield case(False, "Slowly", f"{name} is {value}", **{**slow, name: value})


def steady(alert: str, series: str, fires: float, silent: float, minutes: int) -> tuple[Case, Case]:
    """A gauge with one value all the time: with one it fires after so many minutes, with the other not."""
    return (
        Case(alert, True, f"{series} is {fires}", {series: f"{fires}x{2 * minutes}"}, minutes),
        Case(alert, False, f"{series} is {silent}", {series: f"{silent}x{2 * minutes}"}, minutes),
    )


def growing(alert: str, series: str, fires: float, silent: float, minutes: int) -> tuple[Case, Case]:
    """A counter that grows by the same number every minute."""
    return (
        Case(alert, True, f"{series} grows", {series: f"0+{fires}x{2 * minutes}"}, minutes),
        Case(alert, False, f"{series} hardly grows", {series: f"0+{silent}x{2 * minutes}"}, minutes),
    )


def _http(failing: float, fine: float = 9) -> dict[str, str]:
    """Requests a minute to the web app that fail, and those that do not."""
    name = 'tonebridge_http_request_seconds_count{job="web",route="/",status="%d"}'
    return {name % 503: f"0+{failing}x60", name % 200: f"0+{fine}x60"}


def _hits(hits: float, misses: float) -> dict[str, str]:
    name = 'tonebridge_request_seconds_count{job="gateway",cache="%s"}'
    return {name % "l1": f"0+{hits}x240", name % "miss": f"0+{misses}x240"}


def _disk(available: str, size: float = 1000) -> dict[str, str]:
    labels = '{device="a",fstype="ext4",instance="i",mountpoint="/"}'
    return {
        f"node_filesystem_avail_bytes{labels}": available,
        f"node_filesystem_size_bytes{labels}": f"{size}x600",
    }


def _replica(lag_s: float, is_replica: int) -> dict[str, str]:
    return {
        'pg_replication_lag_seconds{instance="i"}': f"{lag_s}x60",
        'pg_replication_is_replica{instance="i"}': f"{is_replica}x60",
    }


def _connections(used: float) -> dict[str, str]:
    return {
        'pg_stat_activity_count{instance="i",state="active"}': f"{used}x60",
        'pg_settings_max_connections{instance="i"}': "100x60",
    }


def _completed(ago_s: float) -> dict[str, str]:
    """A run of the flow `experiment` that completed so many seconds before the minute 100."""
    return {'tonebridge_flow_success_timestamp_seconds{flow="experiment"}': f"{100 * 60 - ago_s}x200"}


def _measured(**ages_s: float) -> dict[str, str]:
    """Parts of the loop that were measured so many seconds before the minute 100."""
    now = 100 * 60
    name = 'tonebridge_loop_measured_timestamp_seconds{part="%s"}'
    return {name % part: f"{now - age}x200" for part, age in ages_s.items()}


_TRIPS = 'tonebridge_variant_breaker_trips{job="gateway"}'
CASES: tuple[Case, ...] = (
    *(case for level in LEVELS for case in burns(level)),
    *steady("GatewayDown", 'up{job="gateway"}', 0, 1, 5),
    Case("GatewayDown", True, "there is no gateway at all", {'up{job="worker"}': "1x20"}, 5),
    *steady("ProcessDown", 'up{job="worker",instance="i"}', 0, 1, 15),
    Case("SiteFails", True, "a tenth of the requests fail", _http(1), 20),
    Case("SiteFails", False, "one of a hundred fails", _http(1, 99), 20),
    Case("SiteFails", False, "a few of few fail", _http(0.2, 0.1), 20),
    *steady("RoutingStale", 'tonebridge_routing_age_seconds{job="gateway"}', 40, 20, 4),
    *steady("GatewaysBehind", 'tonebridge_gateways{state="behind"}', 1, 0, 10),
    *steady("EventLoopLate", "tonebridge_event_loop_late_seconds", 0.3, 0.1, 10),
    *steady("AnswersUnstored", 'tonebridge_unflushed_answers{job="gateway"}', 20_000, 5_000, 5),
    Case("CacheHitRateLow", True, "four of ten hit", _hits(40, 60), 120, 12),
    Case("CacheHitRateLow", False, "six of ten hit", _hits(60, 40), 120),
    Case("CacheHitRateLow", False, "few requests", _hits(4, 6), 120),
    *steady("CacheWithoutRedis", 'tonebridge_redis_breaker_open{job="gateway",instance="i"}', 1, 0, 10),
    *steady("RedisBudgetUsedUp", 'tonebridge_redis_budget_used_up{job="web",instance="i"}', 1, 0, 1),
    *steady("InferenceBreakerOpen", 'tonebridge_service_breakers_open{instance="i"}', 1, 0, 10),
    *growing("RewritesShed", "tonebridge_shed", 5, 0.2, 15),
    *growing("VersionFails", 'tonebridge_failed_rewrites_total{version="v1"}', 1, 0.1, 20),
    *steady("RepliesLate", 'tonebridge_jobs_oldest_seconds{kind="channel_reply"}', 90, 30, 5),
    Case(
        "RepliesLate", False, "a batch waits", {'tonebridge_jobs_oldest_seconds{kind="rewrite"}': "90x20"}, 5
    ),
    *steady("QueueLate", 'tonebridge_jobs_oldest_seconds{kind="rewrite"}', 1000, 800, 10),
    Case(
        "DeadLetters", True, "a job dies",
        {'tonebridge_job_attempts_total{kind="rewrite",outcome="dead"}': "0x9 1x60"}, 15,
    ),
    Case(
        "DeadLetters", False, "a job is tried again",
        {
            'tonebridge_job_attempts_total{kind="rewrite",outcome="again"}': "0+1x60",
            'tonebridge_job_attempts_total{kind="rewrite",outcome="dead"}': "7x60",
        }, 15,
    ),
    *steady("QuotaNear", 'tonebridge_quota_organisations{state="near"}', 1, 0, 5),
    *steady("QuotaUsedUp", 'tonebridge_quota_organisations{state="used_up"}', 1, 0, 5),
    *steady("TrainingLate", "tonebridge_training_waiting_seconds", 90_000, 80_000, 90),
    *steady("SnapshotRejected", "tonebridge_snapshots_rejected", 1, 0, 5),
    Case("FlowsSilent", True, "no run for 70 minutes", _completed(4200), 100, since_minute=91),
    Case("FlowsSilent", False, "no run for 50 minutes", _completed(3000), 100),
    Case(
        "FlowsSilent", False, "a flow that runs at night",
        {'tonebridge_flow_success_timestamp_seconds{flow="retain"}': "0x200"}, 100,
    ),
    *steady("FlowFails", 'tonebridge_flow_runs_failed{flow="collect"}', 2, 1, 5),
    *steady("FlowFails", 'tonebridge_flow_runs_failed{flow="train"}', 1, 0, 5),
    Case("LoopUnmeasured", True, "drift is old", _measured(tables=0, flows=0, messages=4600), 100, 84),
    Case("LoopUnmeasured", False, "all is fresh", _measured(tables=0, flows=0, messages=1900), 100),
    Case("LoopUnmeasured", True, "Prefect never answered", _measured(tables=0, messages=0), 100),
    Case("LoopUnmeasured", True, "Postgres never answered", _measured(flows=0), 100),
    *steady("DecisionWaits", 'tonebridge_decisions_oldest_seconds{state="open"}', 1000, 800, 5),
    *steady("DecisionFailed", 'tonebridge_decisions{state="failed"}', 1, 0, 5),
    *steady("ExperimentUnsound", 'tonebridge_experiments_unsound{check="sample_ratio"}', 1, 0, 20),
    Case("VariantBroken", True, "it trips", {_TRIPS: "0x5 1x60"}, 10),
    Case("VariantBroken", False, "none trips", {_TRIPS: "3x60"}, 10),
    *steady("JudgeChanged", 'tonebridge_judges{state="changed"}', 1, 0, 5),
    *steady("MessagesDrift", 'tonebridge_drift_level{trait="length"}', 2, 1, 90),
    *steady("ErasureLate", 'tonebridge_erasures_oldest_seconds{state="waiting"}', 4000, 3000, 5),
    *steady(
        "ErasureLate", 'tonebridge_erasures_oldest_seconds{state="history_removed"}', 650_000, 500_000, 5
    ),
    *steady("AddressUnreachable", 'probe_success{instance="i"}', 0, 1, 6),
    *steady("CertificateExpires", "probe_ssl_earliest_cert_expiry", 13 * DAY_S, 16 * DAY_S, 90),
    *steady("CertificateExpiresSoon", "probe_ssl_earliest_cert_expiry", 2 * DAY_S, 4 * DAY_S, 30),
    Case("DiskFills", True, "a fifth is left, and shrinks", _disk("260-0.5x600"), 100, 21),
    Case("DiskFills", False, "a fifth is left, and stays", _disk("200x600"), 100),
    Case("DiskFills", False, "half is left, and shrinks", _disk("800-0.5x600"), 100),
    Case("DiskFull", True, "a fiftieth is left", _disk("20x600"), 10),
    Case("DiskFull", False, "a tenth is left", _disk("100x600"), 10),
    *steady("PostgresDown", "pg_up", 0, 1, 3),
    Case("PostgresConnectionsLow", True, "90 of 100", _connections(90), 20),
    Case("PostgresConnectionsLow", False, "70 of 100", _connections(70), 20),
    Case("ReplicationLate", True, "a replica is late", _replica(90, 1), 10),
    Case("ReplicationLate", False, "a replica is nearly up to date", _replica(30, 1), 10),
    Case("ReplicationLate", False, "a primary without traffic", _replica(90, 0), 10),
    *growing("RulesFail", "prometheus_rule_evaluation_failures_total", 1, 0, 20),
)  # fmt: skip
