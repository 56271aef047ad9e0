from models.preview import Preview


def test_only_a_change_is_reported() -> None:
    changes: list[str] = []
    preview = Preview(lambda: changes.append(preview.text))
    for text in ("a", "a", "ab"):
        preview.show(text)
    assert changes == ["a", "ab"]


def test_acts_are_called_when_the_reader_leaves_and_a_late_one_at_once() -> None:
    calls: list[str] = []
    preview = Preview()
    with preview.when_abandoned(lambda: calls.append("ended")):
        pass
    with preview.when_abandoned(lambda: calls.append("a")), preview.when_abandoned(lambda: calls.append("b")):
        preview.abandon()
    assert sorted(calls) == ["a", "b"]
    with preview.when_abandoned(lambda: calls.append("late")):
        assert calls[-1] == "late"
    assert preview.is_abandoned
