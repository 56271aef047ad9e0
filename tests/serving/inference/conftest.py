"""A tiny version for the tests of the engines and of the pool."""

import pytest

from models.export import export


@pytest.fixture(scope="session")
def folder(build_tiny, tiny_texts, tmp_path_factory):
    """The folder of an exported version."""
    base = build_tiny(tmp_path_factory.mktemp("base") / "b", tiny_texts, seed=3, spread=0.5)
    return export(base, None, tmp_path_factory.mktemp("version") / "v", "float32")
