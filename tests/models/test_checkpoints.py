import pytest

from models.checkpoints import newest_checkpoint

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.fixture
def folder(tmp_path):
    for step in (5, 10, 15):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        for file in FILES:
            (checkpoint / file).write_text("{}")
    return tmp_path


def test_the_newest_is_by_step_and_not_by_name(folder):
    assert newest_checkpoint(folder) == (folder / "checkpoint-15", 15)
    assert newest_checkpoint(folder / "nowhere") == (None, 0)


@pytest.mark.parametrize("cut_off", ["", '{"log_history": ['])
def test_one_that_was_being_written_is_not_taken(folder, cut_off):
    (folder / "checkpoint-15" / "trainer_state.json").write_text(cut_off)
    assert newest_checkpoint(folder)[1] == 10
    (folder / "checkpoint-10" / "trainer_state.json").unlink()
    assert newest_checkpoint(folder)[1] == 5


@pytest.mark.parametrize("gone", FILES)
def test_one_that_was_being_deleted_is_not_taken(folder, gone):
    (folder / "checkpoint-15" / gone).unlink()
    assert newest_checkpoint(folder)[1] == 10
