"""Names of WAL files, which programs are called, and how they get the password of a URL."""

from itertools import islice
from pathlib import Path

import pytest

from deploy.backup import postgres
from deploy.backup.faults import BackupError


@pytest.mark.parametrize(
    ("timeline", "position", "name"),
    [
        (1, "0/3000028", "000000010000000000000003"),
        (1, "0/FF000000", "0000000100000000000000FF"),
        (2, "1/0", "000000020000000100000000"),
        (18, "2A/10FFFFFF", "000000120000002A00000010"),
    ],
)
def test_a_file_is_named_for_its_position(timeline: int, position: str, name: str) -> None:
    assert postgres.segment_of(timeline, position) == name


def test_files_follow_each_other() -> None:
    names = ["0000000100000000000000FE", "0000000100000000000000FF", "000000010000000100000000"]
    assert list(islice(postgres.segments_from(names[0]), 3)) == names


def test_a_password_is_in_no_command() -> None:
    values = postgres.environment("postgresql://tonebridge_backup:s%20ecret@db.example.com:5433/tonebridge")
    assert (values["PGUSER"], values["PGPASSWORD"]) == ("tonebridge_backup", "s ecret")
    assert (values["PGHOST"], values["PGPORT"]) == ("db.example.com", "5433")


def test_programs_without_tls_are_said_to_be_replaced() -> None:
    url = "postgresql://127.0.0.1:1/tonebridge?sslmode=verify-full"
    with pytest.raises(BackupError, match=f"have no TLS: name the folder .* in {postgres.PROGRAMS}"):
        postgres.run("pg_receivewal", ["--slot", postgres.SLOT, "--create-slot"], url)


def test_programs_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(postgres.PROGRAMS, raising=False)
    version = int(postgres.run("postgres", ["--version"]).split()[-1].partition(".")[0])
    postgres.check_version(version)
    other = version - 1
    with pytest.raises(
        BackupError, match=f"the server is Postgres {other}: .* /usr/lib/postgresql/{other}/bin"
    ):
        postgres.check_version(other)


def test_a_folder_without_programs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres.PROGRAMS, str(tmp_path))
    with pytest.raises(BackupError, match=f"{tmp_path}/pg_ctl does not exist: correct {postgres.PROGRAMS}"):
        postgres.program("pg_ctl")


def test_the_message_of_a_program_is_shown() -> None:
    with pytest.raises(BackupError, match=r"pg_verifybackup failed: .*no-such-folder"):
        postgres.run("pg_verifybackup", ["/no-such-folder"])
