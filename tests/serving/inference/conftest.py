"""A tiny version for the tests of the engines and of the pool, and clients that wait for a busy machine."""

from functools import partial

import pytest

from models.export import export
from serving.inference.client import InferenceClient

PATIENT_S = 240


def patient(client: InferenceClient) -> InferenceClient:
    """The client, which waits as long as a busy machine takes, unless a call says how long."""
    client.rewrite = partial(client.rewrite, timeout_s=PATIENT_S)  # type: ignore[method-assign]
    client.stream = partial(client.stream, timeout_s=PATIENT_S)  # type: ignore[method-assign]
    return client


@pytest.fixture(scope="session")
def folder(build_tiny, tiny_texts, tmp_path_factory):
    """The folder of an exported version."""
    base = build_tiny(tmp_path_factory.mktemp("base") / "b", tiny_texts, seed=3, spread=0.5)
    return export(base, None, tmp_path_factory.mktemp("version") / "v", "float32")
