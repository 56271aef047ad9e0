"""The objects that one dashboard process is made of: made and closed here.

Pages reach them by `serving.dashboard.visit.Visit`, everything else by `parts_of(app)`.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from experiments import own_metrics
from serving.dashboard.attention import Attention
from serving.sites import parts
from serving.sites.parts import SiteParts


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each, safe to use from any thread."""

    site: SiteParts
    engine: Engine
    attention: Attention

    def close(self) -> None:
        """Close all connections."""
        self.site.close()
        self.engine.dispose()


def make(settings: Settings) -> Parts:
    """The parts; nothing is connected yet. ValueError when a setting is missing; ConfigError for a metric of
    one's own that is not valid.
    """
    own_metrics.load(settings.metrics_file)
    url = database.pooled_url_of(settings)
    site = parts.make(settings, "serving.dashboard")
    pool = database.ENGINE_POOL.set_by(settings)
    return Parts(site, database.reading_engine(url, pool), Attention())


def parts_of(app: FastAPI) -> Parts:
    """The parts of a dashboard's application."""
    parts: Parts = app.state.parts
    return parts


async def _parts(request: Request) -> Parts:
    return parts_of(request.app)


InjectedParts = Annotated[Parts, Depends(_parts)]
