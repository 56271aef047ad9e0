"""Settings and addresses of a database, for the logins that processes use; the fixtures' are the owner's."""

from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN


def lengthen_statements(engine: Engine) -> None:
    """Let statements of gateways and dashboards take as long as a busy machine needs, in one database."""
    with engine.begin() as owner:
        name = owner.exec_driver_sql("SELECT current_database()").scalar_one()
        for login in (GATEWAY_LOGIN, DASHBOARD_LOGIN):
            owner.exec_driver_sql(f"ALTER ROLE {login} IN DATABASE {name} SET statement_timeout = '10min'")


def gateway_url(url: str) -> str:
    """The same database, for the gateway's login."""
    return database.replace_login(url, GATEWAY_LOGIN)


def as_gateway(settings: Settings) -> Settings:
    """The settings of a gateway's process."""
    assert settings.database_url is not None
    return settings.model_copy(update={"database_url": gateway_url(settings.database_url)})


def as_dashboard(settings: Settings) -> Settings:
    """The settings of a dashboard's process."""
    assert settings.database_url is not None
    url = database.replace_login(settings.database_url, DASHBOARD_LOGIN)
    return settings.model_copy(update={"database_url": url})
