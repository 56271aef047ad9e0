"""Signatures of images: a verification that must fail fails for its own reason."""

import json
import sys
from pathlib import Path

import pytest

from deploy import signing


def says(text: str, code: int) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}, file=sys.stderr); sys.exit({code})"]


def test_a_refusal_is_what_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    signing.refuse("another key", says("Error: no matching signatures: invalid signature", 1))
    assert "refused: another key" in capsys.readouterr().out


def test_what_is_verified_in_spite_of_all_is_a_failure() -> None:
    with pytest.raises(ValueError, match="cosign verified another key"):
        signing.refuse("another key", says("Verified OK", 0))


def test_a_registry_that_is_away_refuses_nothing() -> None:
    with pytest.raises(ValueError, match=r"could not judge another key: .*connection refused"):
        signing.refuse("another key", says("dial tcp 127.0.0.1:1: connection refused", 1))


def test_contents_are_counted_by_their_kind(tmp_path: Path) -> None:
    components = [
        {"type": "library", "purl": "pkg:pypi/pydantic@2.12"},
        {"type": "library", "purl": "pkg:deb/debian/libc6@2.41"},
        {"type": "library", "purl": "pkg:pypi/fastapi@0.150"},
        {"type": "file"},
    ]
    file = tmp_path / "sbom.json"
    file.write_text(json.dumps({"components": components}))
    assert signing.count_packages(file) == {"pypi": 2, "deb": 1, "file": 1}
