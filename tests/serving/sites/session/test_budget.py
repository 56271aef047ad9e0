"""Sessions of a site whose Redis commands have a budget, in the real Valkey."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from configs.settings import Settings
from data import redis_meter
from data.redis_meter import Meter
from serving.sites import session
from serving.sites.api import SignedOutError, Tokens
from serving.sites.session import Sessions

SECRET = "s" * 32
LIFE_S = 600


class Gateway(BaseModel):
    """Stands for the gateway: it gives tokens that are numbered."""

    given: int = 0
    ended: list[str] = []

    def sign_in(self, email: str, password: str, address: str, device: str | None) -> Tokens:
        """New tokens."""
        self.given += 1
        return Tokens(f"access {self.given}", f"refresh {self.given}", LIFE_S)

    def refresh(self, token: str) -> Tokens:
        """New tokens for the newest refresh token."""
        assert token == f"refresh {self.given}", "sent twice, it ends the session"
        return self.sign_in("", "", "", None)

    def sign_out(self, token: str) -> None:
        """End a session."""
        self.ended.append(token)


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def sites(local: Settings, meter: Meter) -> Iterator[tuple[Sessions, Sessions]]:
    """The sessions of two processes of one site."""
    assert local.redis_url is not None
    gateway = Gateway()
    with redis_meter.connect(local.redis_url, meter) as client:
        yield tuple(Sessions(client, gateway, SECRET) for _ in range(2))  # type: ignore[arg-type, misc]


def test_a_session_is_read_once_until_its_token_expires(
    sites: tuple[Sessions, Sessions], meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = sites
    id = here.open("ann@example.org", "x")
    before = meter.sent["sessions"]
    found = [here.find(id) for _ in range(100)]
    assert meter.sent["sessions"] == before
    assert found[0].access_token == "access 1"
    assert [elsewhere.find(id).access_token for _ in range(100)] == ["access 1"] * 100
    assert meter.sent["sessions"] == before + 1

    now = found[0].renew_at
    monkeypatch.setattr(session.time, "time", lambda: now)
    assert here.find(id).access_token == "access 2"
    assert elsewhere.find(id).access_token == "access 2", "it takes what the other one has renewed"


def test_the_id_of_a_stranger_costs_no_command(sites: tuple[Sessions, Sessions], meter: Meter) -> None:
    here, _ = sites
    id = here.open("ann@example.org", "x")
    before = dict(meter.sent)
    random, _, signature = id.partition(".")
    for forged in ("x", random, f"{random}.", f"{random}x.{signature}", f"{random}.{signature[:-1]}x", "é.é"):
        with pytest.raises(SignedOutError):
            here.find(forged)
        here.close(forged)
    assert meter.sent == before


def test_who_signs_out_is_out(sites: tuple[Sessions, Sessions]) -> None:
    here, _ = sites
    id = here.open("ann@example.org", "x")
    here.find(id)
    here.close(id)
    with pytest.raises(SignedOutError):
        here.find(id)
