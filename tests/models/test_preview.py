from models.preview import Preview


def test_only_a_change_is_reported() -> None:
    changes: list[str] = []
    preview = Preview(lambda: changes.append(preview.text))
    for text in ("a", "a", "ab"):
        preview.show(text)
    assert changes == ["a", "ab"]


def test_the_newest_act_is_called_when_the_reader_leaves_and_a_late_one_at_once() -> None:
    calls: list[str] = []
    preview = Preview()
    preview.when_abandoned(lambda: calls.append("first"))
    preview.when_abandoned(lambda: calls.append("second"))
    preview.abandon()
    preview.when_abandoned(lambda: calls.append("late"))
    assert calls == ["second", "late"]
    assert preview.is_abandoned
