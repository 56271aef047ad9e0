"""Tokens are encrypted, each for its place."""

import pytest

from serving.channels.vault import UnreadableError, Vault

SECRET = "a secret of 32 bytes or more, for tests"


def test_what_is_sealed_is_read_at_its_place_alone() -> None:
    vault = Vault(SECRET)
    sealed = vault.seal("xoxb-token", "workspace 1")
    assert vault.open(sealed, "workspace 1") == "xoxb-token"
    assert b"xoxb" not in sealed
    assert vault.seal("xoxb-token", "workspace 1") != sealed
    with pytest.raises(UnreadableError, match="workspace 2"):
        vault.open(sealed, "workspace 2")


@pytest.mark.parametrize(
    "change", [lambda sealed: sealed[:5], lambda sealed: sealed[:-1] + b"x", bytes.swapcase]
)
def test_what_was_changed_is_not_read(change: object) -> None:
    vault = Vault(SECRET)
    assert callable(change)
    with pytest.raises(UnreadableError, match="TONEBRIDGE_CHANNEL_SECRET"):
        vault.open(change(vault.seal("xoxb-token" * 9, "here")), "here")


def test_another_secret_reads_nothing() -> None:
    sealed = Vault(SECRET).seal("xoxb-token", "here")
    with pytest.raises(UnreadableError):
        Vault(f"{SECRET}!").open(sealed, "here")
