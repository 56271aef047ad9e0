import pytest

from data import corpus
from models import languages


@pytest.mark.parametrize(
    ("message", "language"),
    [
        ("Fix it by Friday.", "en"),
        ("wfm thx bye all", "en"),
        ("see PR 884 / JIRA-331 re: auth svc", "en"),
        ("kubectl rollout restart deploy/api -n prod", "en"),
        ("The label 保存 is missing in the settings page.", "en"),
        ("12:30 → 14:00", "en"),
        ("Fix the report now. 5b3c1c9e-9d7c-4a53-9f0e-2d0f5a7a8f11", "en"),
        ("😀" * 8000, "en"),
        ("金曜日までに直してください。", "ja"),
        ("PR515は17時までに直してください。詳しくはhttps://wiki.example/pr515を見て。", "ja"),
        ("ﾃｽﾄ環境を再起動して", "ja"),
        ("Kubernetes の Pod を再起動してください", "ja"),
        ("API の仕様", "ja"),
        ("Bitte schicken Sie mir die Zahlen bis Freitag.", "de"),
        ("Necesito el informe para el viernes, por favor.", "es"),
        ("请在周五之前把报告发给我。", "zh"),
        ("Почините это до пятницы, пожалуйста.", "ru"),
        ("금요일까지 고쳐 주세요.", "ko"),
    ],
)
def test_messages_of_few_and_of_many_words(message, language):
    assert languages.identify(message) == language


def test_the_seed_is_in_the_languages_that_it_says():
    for original in corpus.read(corpus.SEED / "edits"):
        expected = "ja" if original.id.startswith("editj") else "en"
        assert languages.identify(original.text) == expected, original.text
