"""Builds of images: what is too large fails, and nothing of the machine gets into an image."""

from itertools import pairwise
from pathlib import Path

import pytest

from deploy import images
from deploy.trial import Resident, Trial


def test_an_image_that_is_too_large_is_named() -> None:
    assert images.faults({"gateway": {"mb": 250.0}, "flows": {"mb": 9999.0}}) == []
    assert images.faults({"gateway": {"mb": 250.1}}) == ["the image gateway has 250.1 MB, and may have 250"]


def test_certificates_and_wheels_of_the_machine_are_lent_and_a_secret_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = tmp_path / "own.pem"
    certificates.touch()
    monkeypatch.setenv("PIP_CERT", str(certificates))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "missing"))
    monkeypatch.setenv("TONEBRIDGE_SERVICE_TOKEN", "s" * 32)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    words = images.build_command("Containerfile", "name", "base@sha256:1", {"EXTRA": "gateway"})
    assert f"{certificates}:/run/host/certificates.pem:ro" in words
    arguments = [after for word, after in pairwise(words) if word == "--build-arg"]
    expected = ["BASE=base@sha256:1", "EXTRA=gateway", "PIP_CERT=/run/host/certificates.pem"]
    assert sorted(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gatway"], "unknown gatway; known: gateway, inference"),
        (["--base", "a", "--local-base", "trixie"], "not allowed with"),
    ],
)
def test_a_mistake_is_named_before_anything_is_built(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        images.main(arguments)
    assert message in capsys.readouterr().err


def test_the_tables_show_every_image_and_process(capsys: pytest.CaptureFixture[str]) -> None:
    size = {"mb": 240.1, "compressed_mb": 81.0, "packages": 73, "python": "3.13.5"}
    web, worker = Resident("256m", 3.8, 120.0, 131.9, 0.9), Resident("256m", None)  # which has no probe
    images.print_tables({"gateway": size}, Trial({"web": web, "worker": worker}, rewrite="Please fix it."))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["gateway", "240", "81", "73", "3.13.5"] in rows
    assert ["web", "256m", "3.8", "120", "132", "0.9"] in rows
    assert ["worker", "256m", "0", "0", "0.0"] in rows
