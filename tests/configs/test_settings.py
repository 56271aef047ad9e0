"""What the environment may say, and what follows from it."""

import pytest
from pydantic import ValidationError

from configs.settings import Settings


@pytest.mark.parametrize(
    ("host", "is_exposed", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:80"),
        ("127.0.0.2", False, "http://127.0.0.2:80"),
        ("::1", False, "http://[::1]:80"),
        ("localhost", False, "http://localhost:80"),
        ("0.0.0.0", True, "http://127.0.0.1:80"),
        ("::", True, "http://127.0.0.1:80"),
        ("192.0.2.1", True, "http://192.0.2.1:80"),
        ("2001:db8::1", True, "http://[2001:db8::1]:80"),
        ("gateway-0.internal", True, "http://gateway-0.internal:80"),
    ],
)
def test_a_host_is_an_address_or_a_name(host: str, is_exposed: bool, url: str) -> None:
    settings = Settings(host=host)
    assert settings.host == host
    assert settings.is_exposed == is_exposed
    assert settings.own_url(80) == url


def test_an_address_is_written_in_one_way() -> None:
    assert Settings(host="0:0:0:0:0:0:0:0").host == "::"


@pytest.mark.parametrize(
    "host",
    ["", " ", "[::]", "[::1]", "0.0.0.0:8080", "http://0.0.0.0", "127.1", "0", "256.0.0.1", "1.2.3.4.5",
     "a b", "-a", "a_b", "fe80::1%eth0", "é", "a." * 130 + "a"],
)  # fmt: skip
def test_another_host_is_refused_with_what_to_write(host: str) -> None:
    with pytest.raises(ValidationError, match=r"write 0\.0\.0\.0, :: or 127\.0\.0\.1, without http://"):
        Settings(host=host)


def test_by_default_nothing_listens_for_other_machines() -> None:
    assert not Settings().is_exposed


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_is_one_that_can_be_called(port: int) -> None:
    with pytest.raises(ValidationError, match="gateway_port"):
        Settings(gateway_port=port)
