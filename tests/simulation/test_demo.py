from pathlib import Path

from simulation.demo import prepare_state


def test_an_unfinished_run_is_resumed_only_by_the_same_settings_and_champion(tmp_path: Path) -> None:
    state = tmp_path / "demo"
    prepare_state(state, "840 people, v1")
    (state / "votes").touch()
    prepare_state(state, "840 people, v1")
    assert (state / "votes").exists()
    prepare_state(state, "2000 people, v1")
    assert not (state / "votes").exists()


def test_a_finished_run_begins_anew(tmp_path: Path) -> None:
    state = tmp_path / "demo"
    prepare_state(state, "840 people, v1")
    (state / "finished").touch()
    prepare_state(state, "840 people, v1")
    assert not (state / "finished").exists()
