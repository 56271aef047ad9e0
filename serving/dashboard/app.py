"""The dashboard's process and its pages. `python -m serving.dashboard.app` serves it with uvicorn.

The server makes the pages, as HTML that works without a script; the script only adds convenience. Handlers
are plain functions, which FastAPI runs in threads: they wait for Postgres, Redis and the gateway.
"""

from pathlib import Path

from configs.settings import Settings
from data import startup
from serving.dashboard import parts
from serving.dashboard.loop_metrics import LoopMetrics
from serving.dashboard.pages import (
    accounts,
    app_feedback,
    calibration,
    comparisons,
    data,
    deliveries,
    drafts,
    examples,
    experiments,
    models,
    operations,
    webhooks,
)
from serving.dashboard.problems import KINDS, explain
from serving.dashboard.visit import first_page, plain_visit, signed_in_if_possible, visit
from serving.metrics import Metrics, RedisCommands
from serving.observability.start import start
from serving.sites import entry, problems
from serving.sites.front import Front, make_app, serve


def create_app(settings: Settings) -> Front:
    """The application. It starts and recovers whether Postgres, Redis and the gateway are available or not.
    ValueError when a setting is missing.
    """
    made = parts.make(settings)
    app = make_app("ToneBridge dashboard", settings, Path(__file__).parent / "static", made.close)
    app.state.parts = made
    for page in (
        drafts,
        experiments,
        examples,
        models,
        data,
        calibration,
        operations,
        comparisons,
        webhooks,
        deliveries,
        app_feedback,
        accounts,
    ):
        app.include_router(page.router)
    app.include_router(entry.make_router(plain_visit, visit, first_page))
    problems.install(app, signed_in_if_possible, explain, KINDS)
    site_metrics = Metrics(settings)
    site_metrics.registry.register(LoopMetrics(settings, made.engine))
    site_metrics.registry.register(RedisCommands(made.site.meter))
    return Front(app, settings, site_metrics)


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    start(settings, "dashboard")
    app = create_app(settings)
    startup.check_dashboard(settings)
    serve(app, settings, settings.dashboard_port)


if __name__ == "__main__":
    main()
