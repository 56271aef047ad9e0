"""The packages of extras, as pip takes them."""

import pytest

from deploy.requirements import requirements_of

PROJECT = """
[project]
dependencies = ["b>=1", "a[c]>=2"]
[project.optional-dependencies]
serve = ["d>=3 ; python_version < '3.12'", "b>=1"]
other = ["e"]
"""


def test_extras_add_to_what_everything_needs() -> None:
    assert requirements_of("serve", PROJECT) == ["a[c]>=2", "b>=1", "d>=3 ; python_version < '3.12'"]
    assert requirements_of("serve,other", PROJECT)[-1] == "e"


def test_an_unknown_extra_fails() -> None:
    with pytest.raises(KeyError, match="gatway"):
        requirements_of("gatway", PROJECT)
