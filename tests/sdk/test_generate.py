"""What is made from the API's description and from the asynchronous client is as the command makes it."""

from pathlib import Path

import pytest

from sdk import generate

FILES = sorted((generate.PACKAGE / "_async").glob("*.py"))


def test_the_types_are_those_of_the_description() -> None:
    made = generate.make_types(generate.DESCRIPTION.read_bytes())
    assert (generate.PACKAGE / "types.py").read_text(encoding="utf-8") == made, "`make sdk` renews them"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_synchronous_client_is_made_from_the_asynchronous_one(file: Path) -> None:
    made = generate.make_synchronous(file.read_text(encoding="utf-8"))
    kept = (generate.PACKAGE / "_sync" / file.name).read_text(encoding="utf-8")
    assert kept == made, "`make sdk` renews it"
    assert "async" not in made.replace("`_async`", "")


def test_no_other_file_is_in_the_synchronous_client() -> None:
    assert sorted(path.name for path in (generate.PACKAGE / "_sync").glob("*.py")) == [f.name for f in FILES]
