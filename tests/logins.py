"""Settings and addresses of a database, for the logins that processes use; the fixtures' are the owner's."""

from configs.settings import Settings
from data import database
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN


def gateway_url(url: str) -> str:
    """The same database, for the gateway's login."""
    return database.replace_login(url, GATEWAY_LOGIN)


def as_gateway(settings: Settings) -> Settings:
    """The settings of a gateway's process."""
    return _as(settings, GATEWAY_LOGIN)


def as_dashboard(settings: Settings) -> Settings:
    """The settings of a dashboard's process."""
    return _as(settings, DASHBOARD_LOGIN)


def _as(settings: Settings, login: str) -> Settings:
    password = settings.secret("database_password")
    urls = {"database_url": settings.database_url, "pooled_database_url": settings.pooled_database_url}
    named = {name: database.replace_login(url, login, password) for name, url in urls.items() if url}
    return settings.model_copy(update=named)
