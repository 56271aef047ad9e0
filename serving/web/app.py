"""The web app's process and its pages. `python -m serving.web.app` serves it with uvicorn.

The server makes the pages, as HTML that works without a script; the script adds streaming. Handlers are plain
functions, which FastAPI runs in threads: they wait for Redis and the gateway. Rewrites that are streamed take
longer, so the event loop reads them.
"""

from functools import partial
from pathlib import Path

from configs.settings import Settings
from serving.metrics import Metrics, RedisCommands
from serving.observability.start import start
from serving.sites import entry, parts, problems
from serving.sites.front import SHARED, Front, make_app, serve
from serving.web import health, shell
from serving.web.health import Part
from serving.web.pages import dictionary, history, profile, rewrite, rules, status
from serving.web.pages import help as help_page
from serving.web.streams import Streams
from serving.web.visit import first_page, plain_visit, signed_in_if_possible, visit

_STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings) -> Front:
    """The application. It starts and recovers whether Redis and the gateway are available or not. ValueError
    when a setting is missing.
    """
    made = parts.make(settings, "serving.web")
    seen = health.make(made.gateway, made.redis, made.meter)
    streams = Streams(settings.gateway_url, partial(seen.record, Part.STREAM))
    app = make_app("ToneBridge", settings, _STATIC, made.close, streams.opened)
    app.state.parts, app.state.streams, app.state.health = made, streams, seen
    for page in (rewrite, history, dictionary, rules, profile, help_page, status):
        app.include_router(page.router)
    kept = shell.Shell(made.templates, {"/static/shared": SHARED, "/static": _STATIC})
    app.include_router(shell.make_router(kept))
    app.include_router(entry.make_router(plain_visit, visit, first_page))
    problems.install(app, signed_in_if_possible, lambda error, here: None)
    metrics = Metrics(settings)
    metrics.registry.register(RedisCommands(made.meter))
    return Front(app, settings, metrics)


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    start(settings, "web")
    serve(create_app(settings), settings, settings.web_port)


if __name__ == "__main__":
    main()
