"""The dashboards of Grafana: `python -m deploy.monitoring.dashboards` writes `dashboards/*.json` again.

Units are Grafana's: `reqps` requests a second, `s` seconds, `percentunit` a share, `short` a plain number.
"""

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.monitoring import FOLDER
from deploy.monitoring.panels import Page, Panel, build

FILES = FOLDER / "dashboards"
_I = 'instance=~"$instance"'
_RATE = "[$__rate_interval]"


def _rate(metric: str, by: str, labels: str = _I) -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}{_RATE}))"


def _quantile(share: float, histogram: str, by: str = "", labels: str = _I) -> str:
    rates = _rate(f"{histogram}_bucket", f"le, {by}" if by else "le", labels)
    return f"histogram_quantile({share}, {rates})"


GATEWAY = Page(
    "gateway",
    "gateway",
    "Whether people get their rewrites, and how fast.",
    "gateway",
    (
        Panel(
            "Requests",
            "reqps",
            "All requests, by what they ask for.",
            {"{{kind}}": _rate("tonebridge_requests_total", "kind")},
            ("GatewayDown",),
        ),
        Panel(
            "Failed requests",
            "reqps",
            "Answered with 5xx, by status. 503 says when to try again.",
            {"{{status}}": _rate("tonebridge_requests_total", "status", f'{_I},status=~"5.."')},
            ("AvailabilityBurnsFast", "AvailabilityBurnsSlowly"),
        ),
        Panel(
            "Time of a rewrite, 99 of 100",
            "s",
            "By where its text came from: l1, l2, or a new one (miss).",
            {"{{cache}}": _quantile(0.99, "tonebridge_request_seconds", "cache")},
            ("CachedLatencyBurnsFast", "NewLatencyBurnsFast"),
        ),
        Panel(
            "Time of a rewrite, median",
            "s",
            "By where its text came from.",
            {"{{cache}}": _quantile(0.5, "tonebridge_request_seconds", "cache")},
        ),
        Panel(
            "Slowest other routes",
            "s",
            "95 of 100 requests to a route take less, refused rewrites included.",
            {"{{route}}": f"topk(8, {_quantile(0.95, 'tonebridge_other_request_seconds', 'route')})"},
        ),
        Panel(
            "Refused",
            "reqps",
            "4xx by status: 401 wrong key, 422 wrong field, 429 too many.",
            {"{{status}}": _rate("tonebridge_other_request_seconds_count", "status", f'{_I},status=~"4.."')},
        ),
        Panel(
            "Event loop late",
            "s",
            "From 0.5 s on the gateway refuses requests.",
            {"{{instance}}": f'tonebridge_event_loop_late_seconds{{{_I},job="gateway"}}'},
            ("EventLoopLate",),
        ),
        Panel(
            "CPU",
            "percentunit",
            "Of one core.",
            {"{{instance}}": f'rate(process_cpu_seconds_total{{{_I},job="gateway"}}{_RATE})'},
        ),
        Panel(
            "Memory",
            "bytes",
            "Resident.",
            {"{{instance}}": f'process_resident_memory_bytes{{{_I},job="gateway"}}'},
        ),
        Panel(
            "Open connections",
            "short",
            "WebSockets of known callers, and streams of rewrites.",
            {
                "sockets": f"sum(tonebridge_sockets_open{{{_I}}})",
                "streams": f'sum(tonebridge_streams_open{{{_I},job="gateway"}})',
            },
        ),
        Panel(
            "Answers that are not stored yet",
            "short",
            "They are in memory only. At 50,000 requests are refused.",
            {"{{instance}}": f'tonebridge_unflushed_answers{{{_I},job="gateway"}}'},
            ("AnswersUnstored",),
        ),
        Panel(
            "Age of the routing",
            "s",
            "Time since the last heartbeat to Postgres.",
            {"{{instance}}": f'tonebridge_routing_age_seconds{{{_I},job="gateway"}}'},
            ("RoutingStale",),
        ),
        Panel(
            "Quotas",
            "short",
            "Organisations by what they have used of this month's answers.",
            {"{{state}}": "max by (state) (tonebridge_quota_organisations)"},
            ("QuotaNear", "QuotaUsedUp"),
        ),
    ),
)

CACHE = Page(
    "cache",
    "cache",
    "How many rewrites need no model.",
    "gateway",
    (
        Panel(
            "Answered by a cache, last hour",
            "percentunit",
            "The target for the traffic of the benchmark is 85 %.",
            {"share": "gateway:cache_hits:ratio_rate1h"},
            ("CacheHitRateLow",),
            is_number=True,
        ),
        Panel(
            "Rewrites by where they come from",
            "percentunit",
            "l1: the gateway's memory; l2: Redis; miss: the inference service; repeated: an Idempotency-Key.",
            {
                "{{cache}}": _rate("tonebridge_request_seconds_count", "cache")
                + " / ignoring (cache) group_left () "
                + f"sum(rate(tonebridge_request_seconds_count{{{_I}}}{_RATE}))"
            },
        ),
        Panel(
            "Rewrites a second",
            "reqps",
            "By where they come from.",
            {"{{cache}}": _rate("tonebridge_request_seconds_count", "cache")},
        ),
        Panel(
            "Gateways that do not call Redis",
            "short",
            "Their breakers are open: cache, limits, nonces of signatures.",
            {
                "cache": f'sum(tonebridge_redis_breaker_open{{{_I},job="gateway"}})',
                "limits": f'sum(tonebridge_limits_breaker_open{{{_I},job="gateway"}})',
                "nonces": f'sum(tonebridge_nonces_breaker_open{{{_I},job="gateway"}})',
            },
            ("CacheWithoutRedis",),
        ),
        Panel(
            "Redis commands a second",
            "short",
            "Of all processes, by what they are for, with the commands that scripts call.",
            {"{{purpose}}": _rate("tonebridge_redis_commands_total", "purpose")},
            ("RedisBudgetUsedUp",),
        ),
        Panel(
            "Gateway's part of a new rewrite",
            "s",
            "Without the inference service.",
            {
                "median": _quantile(0.5, "tonebridge_miss_overhead_seconds"),
                "99 of 100": _quantile(0.99, "tonebridge_miss_overhead_seconds"),
            },
        ),
    ),
)

INFERENCE = Page(
    "inference",
    "inference",
    "Whether the models answer, how fast, and at which cost.",
    None,
    (
        Panel(
            "Time of the inference service",
            "s",
            "Its part of a new rewrite, as the gateway sees it.",
            {
                "median": _quantile(0.5, "tonebridge_miss_upstream_seconds", labels='job="gateway"'),
                "99 of 100": _quantile(0.99, "tonebridge_miss_upstream_seconds", labels='job="gateway"'),
            },
            ("NewLatencyBurnsFast", "NewLatencyBurnsSlowly"),
        ),
        Panel(
            "Messages that wait",
            "short",
            "For the inference service, by gateway or worker.",
            {"{{instance}}": "tonebridge_misses_waiting"},
            ("RewritesShed",),
        ),
        Panel(
            "Messages that were refused",
            "short",
            "In five minutes, since too many waited.",
            {"{{instance}}": "increase(tonebridge_shed[5m])"},
            ("RewritesShed",),
        ),
        Panel(
            "Replicas that are not called",
            "short",
            "Their breakers are open.",
            {"{{instance}}": "tonebridge_service_breakers_open"},
            ("InferenceBreakerOpen",),
        ),
        Panel(
            "Tokens a second",
            "short",
            "By version: read and written.",
            {"{{version}} {{kind}}": _rate("tonebridge_tokens_total", "version, kind", "")},
        ),
        Panel(
            "Cost a day",
            "currencyUSD",
            "What vendors take, by version, at the pace of the last hour.",
            {"{{version}}": "sum by (version) (rate(tonebridge_cost_usd_total[1h])) * 86400"},
        ),
        Panel(
            "Messages that a version failed on",
            "short",
            "In 15 minutes, while the service answered.",
            {"failures": "sum(increase(tonebridge_failed_rewrites_total[15m])) or vector(0)"},
            ("VersionFails",),
        ),
        Panel(
            "Time to the first piece of a stream",
            "s",
            "Median of streamed drafts.",
            {"median": _quantile(0.5, "tonebridge_first_token_seconds", labels='job="gateway"')},
        ),
        Panel(
            "Requests of the BentoML service",
            "reqps",
            "By endpoint and status.",
            {
                "{{endpoint}} {{http_response_code}}": _rate(
                    "bentoml_service_request_total", "endpoint, http_response_code", 'job="inference"'
                )
            },
        ),
    ),
)

QUEUE = Page(
    "queue",
    "queue",
    "Whether batches, webhooks and chat replies are done in time.",
    None,
    (
        Panel(
            "Oldest job that is due",
            "s",
            "By kind. Every gateway has the same number.",
            {"{{kind}}": "max by (kind) (tonebridge_jobs_oldest_seconds)"},
            ("RepliesLate", "QueueLate"),
        ),
        Panel(
            "Jobs",
            "short",
            "By state; dead ones can be tried again on the page Operations.",
            {"{{state}}": "sum by (state) (max by (kind, state) (tonebridge_jobs))"},
            ("DeadLetters",),
        ),
        Panel(
            "Dead jobs",
            "short",
            "By kind.",
            {"{{kind}}": 'max by (kind) (tonebridge_jobs{state="dead"})'},
            ("DeadLetters",),
        ),
        Panel(
            "Attempts a second",
            "short",
            "Of all workers, by kind and outcome.",
            {"{{kind}} {{outcome}}": _rate("tonebridge_job_attempts_total", "kind, outcome", "")},
        ),
        Panel(
            "Jobs in progress",
            "short",
            "By kind.",
            {"{{kind}}": "sum by (kind) (tonebridge_jobs_in_progress)"},
        ),
        Panel(
            "Time of a list of jobs",
            "s",
            "95 of 100 take less, by kind.",
            {"{{kind}}": _quantile(0.95, "tonebridge_job_list_seconds", "kind", "")},
        ),
        Panel(
            "Erasures that are not finished",
            "s",
            "Age of the oldest, by state.",
            {"{{state}}": "max by (state) (tonebridge_erasures_oldest_seconds)"},
            ("ErasureLate",),
        ),
    ),
)

TRAINING = Page(
    "training",
    "training",
    "Whether feedback becomes a better version.",
    None,
    (
        Panel(
            "Feedback that waits for a training",
            "s",
            "Age of the oldest snapshot on which no training has begun.",
            {"age": "max(tonebridge_training_waiting_seconds)"},
            ("TrainingLate",),
            is_number=True,
        ),
        Panel(
            "Since the newest snapshot, and the newest that was trained on",
            "s",
            "Empty before the first one.",
            {"{{kind}}": "time() - max by (kind) (tonebridge_snapshot_timestamp_seconds > 0)"},
        ),
        Panel(
            "Since the newest version, and the newest release",
            "s",
            "Versions by what the gate said.",
            {
                "{{gate}}": "time() - max by (gate) (tonebridge_version_timestamp_seconds > 0)",
                "released": "time() - max(tonebridge_release_timestamp_seconds > 0)",
            },
        ),
        Panel(
            "Rejected snapshots",
            "short",
            "Of the last day.",
            {"snapshots": "max(tonebridge_snapshots_rejected)"},
            ("SnapshotRejected",),
            is_number=True,
        ),
        Panel(
            "Since a flow last completed",
            "s",
            "Flows that ran within the newest 200 runs.",
            {"{{flow}}": "time() - max by (flow) (tonebridge_flow_success_timestamp_seconds)"},
            ("FlowsSilent",),
        ),
        Panel(
            "Failed runs of flows",
            "short",
            "Of the last hour.",
            {"{{flow}}": "max by (flow) (tonebridge_flow_runs_failed)"},
            ("FlowFails",),
        ),
        Panel(
            "Drift of the messages",
            "short",
            "Stability index by trait: from 0.1 shifting, from 0.25 an alarm.",
            {"{{trait}}": "max by (trait) (tonebridge_drift_index)"},
            ("MessagesDrift",),
        ),
        Panel(
            "Messages of the last seven days",
            "short",
            "Different ones, of the organisation that runs this.",
            {"messages": "max(tonebridge_week_messages)"},
            is_number=True,
        ),
        Panel(
            "Age of these numbers",
            "s",
            "The dashboard measures them every minute, and drift every 15 minutes.",
            {"{{part}}": "time() - max by (part) (tonebridge_loop_measured_timestamp_seconds)"},
            ("LoopUnmeasured",),
        ),
    ),
)

EXPERIMENTS = Page(
    "experiments",
    "experiments",
    "Whether experiments run as planned, and their decisions take effect.",
    None,
    (
        Panel(
            "Experiments",
            "short",
            "By status, without the sample.",
            {"{{status}}": "max by (status) (tonebridge_experiments)"},
        ),
        Panel(
            "Experiments whose evidence is not valid",
            "short",
            "By the check that they fail.",
            {"{{check}}": "max by (check) (tonebridge_experiments_unsound)"},
            ("ExperimentUnsound",),
        ),
        Panel(
            "Decisions",
            "short",
            "Open, waiting for a person (proposed), or failed within a day.",
            {"{{state}}": "max by (state) (tonebridge_decisions)"},
            ("DecisionFailed",),
        ),
        Panel(
            "Oldest decision",
            "s",
            "Open ones are carried out in seconds.",
            {"{{state}}": "max by (state) (tonebridge_decisions_oldest_seconds)"},
            ("DecisionWaits",),
        ),
        Panel(
            "Gateways",
            "short",
            "Those that report, and of these the ones without the newest routing.",
            {"{{state}}": "max by (state) (tonebridge_gateways)"},
            ("GatewaysBehind",),
        ),
        Panel(
            "Variants that are not called",
            "short",
            "Their breakers are open, and the champion answers.",
            {"{{instance}}": 'tonebridge_variant_breakers_open{job="gateway"}'},
            ("VariantBroken",),
        ),
        Panel(
            "Answers by the champion instead",
            "reqps",
            "Since a variant could not answer.",
            {"fallbacks": 'sum(rate(tonebridge_fallbacks_total{job="gateway"}[$__rate_interval]))'},
            ("VariantBroken",),
        ),
        Panel(
            "Judges",
            "short",
            "Of open experiments: steady, changed (not valid), or without enough judgements.",
            {"{{state}}": "max by (state) (tonebridge_judges)"},
            ("JudgeChanged",),
        ),
    ),
)

SITES = Page(
    "sites",
    "web app, dashboard, channels, worker",
    "Whether their pages and requests are answered.",
    None,
    (
        Panel(
            "Requests",
            "reqps",
            "By process.",
            {"{{job}}": _rate("tonebridge_http_request_seconds_count", "job", "")},
            ("ProcessDown",),
        ),
        Panel(
            "Failed requests",
            "reqps",
            "Answered with 5xx, by process.",
            {
                "{{job}}": _rate("tonebridge_http_request_seconds_count", "job", 'status=~"5.."')
                + " or 0 * "
                + _rate("tonebridge_http_request_seconds_count", "job", "")
            },
            ("SiteFails",),
        ),
        Panel(
            "Time of a request",
            "s",
            "95 of 100 take less, by process.",
            {"{{job}}": _quantile(0.95, "tonebridge_http_request_seconds", "job", "")},
        ),
        Panel(
            "Slowest routes",
            "s",
            "95 of 100 requests take less.",
            {
                "{{job}} {{route}}": "topk(8, "
                + _quantile(0.95, "tonebridge_http_request_seconds", "job, route", "")
                + ")"
            },
        ),
        Panel(
            "Memory",
            "bytes",
            "Resident, by process.",
            {"{{job}}": "sum by (job) (process_resident_memory_bytes)"},
        ),
        Panel(
            "CPU", "percentunit", "Of one core.", {"{{job}}": _rate("process_cpu_seconds_total", "job", "")}
        ),
    ),
)

OBJECTIVES = Page(
    "slos",
    "objectives",
    "Whether the promises are kept, and how fast their error budgets burn.",
    None,
    (
        Panel(
            "Error budget that is left, 30 days",
            "percentunit",
            "Below 0 the objective is missed.",
            {"{{slo}}": "slo:budget_left:30d"},
            is_number=True,
        ),
        Panel(
            "Burn rate, last hour",
            "short",
            "1 uses the budget of 30 days in 30 days; 14.4 pages.",
            {"{{slo}}": "slo:burn_rate:1h"},
            ("AvailabilityBurnsFast", "CachedLatencyBurnsFast", "NewLatencyBurnsFast"),
        ),
        Panel(
            "Burn rate, last six hours",
            "short",
            "6 pages.",
            {"{{slo}}": "slo:burn_rate:6h"},
            ("AvailabilityBurnsFast", "CachedLatencyBurnsFast", "NewLatencyBurnsFast"),
        ),
        Panel(
            "Burn rate, last three days",
            "short",
            "1 makes a ticket.",
            {"{{slo}}": "slo:burn_rate:3d"},
            ("AvailabilityBurnsSlowly", "CachedLatencyBurnsSlowly", "NewLatencyBurnsSlowly"),
        ),
        Panel(
            "Requests that count",
            "reqps",
            "By objective.",
            {"{{slo}}": "slo:requests:rate5m"},
        ),
        Panel(
            "Requests that miss their objective",
            "reqps",
            "By objective.",
            {"{{slo}}": "slo:failures:rate5m"},
        ),
        Panel(
            "Objectives",
            "percentunit",
            "The share of requests that have to be good.",
            {"{{slo}}": "slo:objective:ratio"},
            is_number=True,
        ),
        Panel(
            "Alerts that fire",
            "short",
            "Watchdog fires always: it shows that alerts are evaluated.",
            {"{{alertname}}": 'count by (alertname) (ALERTS{alertstate="firing"})'},
        ),
    ),
)

PAGES = (OBJECTIVES, GATEWAY, CACHE, INFERENCE, QUEUE, TRAINING, EXPERIMENTS, SITES)


def encode(page: Page) -> str:
    """A dashboard as JSON."""
    return str(JSONEncoder(sort_keys=True, indent=1).encode(build(page).build())) + "\n"


def main() -> None:
    """Write the files."""
    FILES.mkdir(exist_ok=True)
    for page in PAGES:
        (FILES / f"{page.name}.json").write_text(encode(page), encoding="utf-8")


if __name__ == "__main__":
    main()
