from pathlib import Path

import pytest

from data.records import PROTECTED, Spec
from models import llm, version_file
from models.edits.writer import rules_digest
from models.llm import LlamaCpp, Llm
from pipelines.promote import make_spec


@pytest.mark.parametrize(
    ("stored", "spec"),
    [
        ("{}", Spec(version="v7", protection=PROTECTED)),
        ('{"form": "text"}', Spec(version="v7", protection=PROTECTED)),
        ('{"form": "edits"}', Spec(version="v7", form="edits", rules=rules_digest())),
    ],
)
def test_a_version_is_served_in_the_form_of_its_folder(tmp_path: Path, stored: str, spec: Spec) -> None:
    (tmp_path / version_file.NAME).write_text(stored)
    assert make_spec(tmp_path, "v7") == spec


def test_a_model_that_we_did_not_train_is_asked_as_its_file_says(tmp_path: Path) -> None:
    (tmp_path / version_file.NAME).write_text('{"form": "text", "engine": "llamacpp", "languages": ["ja"]}')
    model = Llm(llamacpp=LlamaCpp(), prompt="frame-2", max_new_tokens=99)
    (tmp_path / llm.FILE).write_text(model.model_dump_json())
    assert make_spec(tmp_path, "v7") == Spec(
        version="v7", prompt="frame-2", engine="llamacpp", max_new_tokens=99, protection=PROTECTED
    )
