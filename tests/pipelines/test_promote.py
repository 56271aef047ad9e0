from pathlib import Path

import pytest

from data.records import PROTECTED, Spec
from models import version_file
from models.edits.writer import rules_digest
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
