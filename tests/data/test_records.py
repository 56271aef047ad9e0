import pytest
from pydantic import ValidationError

from data.records import PROTECTED, Protection, Spec


def test_a_spec_from_before_there_were_protection_and_forms_keeps_its_name():
    assert Spec(version="v1").digest == "26ecd43d43d232e6331def2873677caa"
    assert Spec(version="v1", form="text").digest == "26ecd43d43d232e6331def2873677caa"
    assert Spec(version="v1", protection=PROTECTED).digest == "e70bc7f3f13afd0df79a50bd2023b77a"
    assert Spec.model_validate_json('{"version": "v1"}') == Spec(version="v1")


@pytest.mark.parametrize(
    "other",
    [
        {"version": "v2"},
        {"protection": PROTECTED},
        {"protection": Protection(masks=True)},
        {"temperature": 0.8},
        {"max_new_tokens": 64},
        {"form": "edits"},
    ],
)
def test_whatever_decides_an_output_is_in_the_name(other):
    spec = Spec(version="v1")
    assert Spec(**{"version": "v1"} | other).digest != spec.digest
    assert Spec(**{"version": "v1"} | other).digest == Spec(**{"version": "v1"} | other).digest


def test_a_spec_has_no_judge_that_could_choose_among_drafts():
    with pytest.raises(ValidationError, match="no judge is valid for what is served"):
        Spec(version="v1", protection=Protection(masks=True, retries=5, always=True))


def test_names_of_all_protections_differ():
    kinds = [Protection(masks=m, retries=r) for m in (True, False) for r in (1, 2)]
    assert len({Spec(version="v1", protection=kind).digest for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("protection", [PROTECTED, Protection(masks=True), Protection(retries=1)])
def test_a_spec_of_edits_has_no_protection(protection):
    assert Spec(version="v1", form="edits", protection=Protection()).form == "edits"
    with pytest.raises(ValidationError, match="an edit script keeps facts by itself"):
        Spec(version="v1", form="edits", protection=protection)


def test_rules_are_part_of_a_spec_of_edits_only():
    edits = Spec(version="v1", form="edits", rules="0" * 32)
    assert edits.digest != Spec(version="v1", form="edits", rules="1" * 32).digest
    with pytest.raises(ValidationError, match="rules propose edits"):
        Spec(version="v1", rules="0" * 32)
