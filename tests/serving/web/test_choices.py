"""The examples of the choices are what the version that comes with the software writes."""

from pathlib import Path

import pytest

import configs
from configs.settings import Settings
from data.records import TransformType
from models import shipped
from models.edits.writer import Writer
from serving.web.choices import DEFAULT, LEVELS, SHOWN_AT, TYPES, Wanted, name_of


def test_every_value_of_the_api_has_a_choice() -> None:
    assert [choice.value for choice in TYPES] == [kind.value for kind in TransformType]
    assert [choice.value for choice in LEVELS] == ["0", "1", "2", "3"]
    assert DEFAULT.is_known
    assert not Wanted("soften", "9").is_known
    assert (name_of("soften"), name_of("3"), name_of("shout")) == ("Make it kinder", "A lot", "shout")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_examples_are_real(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, champion=Path(configs.__file__).parent.parent / "champion")
    writer = Writer(shipped.export_once(settings))
    examples = [
        *(
            (TransformType(kind.value), SHOWN_AT, example)
            for kind in TYPES
            for example in kind.examples.values()
        ),
        *(
            (TransformType.SOFTEN, int(level.value), example)
            for level in LEVELS
            for example in level.examples.values()
        ),
    ]
    written = writer.rewrite([(example.before, kind, level) for kind, level, example in examples])
    writer.close()
    assert [edited.text for edited in written] == [example.after for _, _, example in examples]
