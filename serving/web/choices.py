"""What people may choose of a rewrite, in plain words, each with a short example. The examples are what the
version that comes with the software writes (`champion/`); a test rewrites them again.
"""

from collections.abc import Mapping
from typing import NamedTuple

from data.reasons import Language

SHOWN_AT = 2  # the intensity of the examples of transform types


class Example(NamedTuple):
    """A message, and its rewrite."""

    before: str
    after: str


class Choice(NamedTuple):
    """A value of the API, its name on the page, and an example in each language."""

    value: str
    name: str
    examples: Mapping[Language, Example]


TYPES = (
    Choice(
        "soften",
        "Make it kinder",
        {
            "en": Example("Fix the login page today.", "Could you please fix the login page today?"),
            "ja": Example("なぜ遅れたのですか。", "遅れた理由を教えていただけますか。"),
        },
    ),
    Choice(
        "clarify",
        "Make it clearer",
        {
            "en": Example(
                "It should be done soon.",
                "It (what is not stated) should be done soon. Who should do it is not stated here.",
            ),
            "ja": Example(
                "例の件、早めに確認してください。",
                "例の件（どの件かは書かれていません）、早めに（いつまでにかは書かれていません）確認してください。",
            ),
        },
    ),
    Choice(
        "structure",
        "Put it in order",
        {
            "en": Example(
                "The build fails. Can you check it by Friday?",
                "- The build fails\n- Request: Can you check it by Friday?",
            ),
            "ja": Example(
                "ログインできません。9時からです。再起動をお願いします。",
                "注意：ログインできません\n状況：9時からです\nお願い：再起動をお願いします",
            ),
        },
    ),
    Choice(
        "summarize",
        "Make it shorter",
        {
            "en": Example(
                "I just wanted to let you know that the build, which ran fine last week, fails again.",
                "The build fails again.",
            ),
            "ja": Example(
                "お忙しいところ恐れ入りますが、念のため、ビルドが失敗していることをお伝えします。",
                "ビルドが失敗していることをお伝えします。",
            ),
        },
    ),
    Choice(
        "terminology",
        "Explain its terms",
        {
            "en": Example(
                "We roll back the deploy at 5 pm.",
                "We roll back (return to the version before) the deploy (release to the servers) at 5 pm.",
            ),
            "ja": Example(
                "CIが落ちています。",
                "CI（プログラムを変更するたびに、組み立てと検査を自動で行う仕組み）が落ちています。",
            ),
        },
    ),
    Choice(
        "requirements",
        "List what is needed",
        {
            "en": Example(
                "We need a login page by Friday. Dark mode would be nice.",
                "Need: a login page by Friday\nWish: Dark mode would be nice\nDeadline: by Friday",
            ),
            "ja": Example(
                "ログイン画面が必要です。金曜日までにお願いします。できればダークモードも欲しいです。",
                "必要：\n・ログイン画面が必要\n希望：\n・できればダークモードも欲しいです\n期限：\n・金曜日までにお願いします",
            ),
        },
    ),
    Choice(
        "background",
        "Say what outsiders lack",
        {
            "en": Example(
                "We cannot ship on Friday.",
                "We cannot ship on Friday. The reason and what happens instead are not stated here.",
            ),
            "ja": Example(
                "リリースは延期します。",
                "リリースは延期します。延期の理由と、変更前の内容は書かれていません。",
            ),
        },
    ),
)

_REPORT = {"en": "Send me the report by 5 pm.", "ja": "レポートを今日中に送ってください。"}
LEVELS = (  # of "Make it kinder"
    Choice(
        "0",
        "Barely",
        {"en": Example(_REPORT["en"], _REPORT["en"]), "ja": Example(_REPORT["ja"], _REPORT["ja"])},
    ),
    Choice(
        "1",
        "A little",
        {
            "en": Example(_REPORT["en"], "Could you send me the report by 5 pm?"),
            "ja": Example(_REPORT["ja"], "レポートを今日中に送っていただけますか。"),
        },
    ),
    Choice(
        "2",
        "Clearly",
        {
            "en": Example(_REPORT["en"], "Could you please send me the report by 5 pm?"),
            "ja": Example(_REPORT["ja"], "お手数ですが、レポートを今日中に送っていただけると助かります。"),
        },
    ),
    Choice(
        "3",
        "A lot",
        {
            "en": Example(_REPORT["en"], "Could you please send me the report by 5 pm? Thank you!"),
            "ja": Example(
                _REPORT["ja"],
                "恐れ入りますが、レポートを今日中に送っていただけますでしょうか。よろしくお願いいたします。",
            ),
        },
    ),
)

_NAMES = {choice.value: choice.name for choice in (*TYPES, *LEVELS)}


def name_of(value: str) -> str:
    """The English name of a transform type or an intensity, or an unknown value itself."""
    return _NAMES.get(value, value)


class Wanted(NamedTuple):
    """What a person wants of a rewrite, as the values of the form."""

    transform_type: str
    intensity: str

    @property
    def body(self) -> dict[str, str | int]:
        """Its part of a request to the gateway, which refuses what it does not know."""
        level = int(self.intensity) if self.intensity.isdecimal() else self.intensity
        return {"transform_type": self.transform_type, "intensity": level}

    @property
    def is_known(self) -> bool:
        """Whether the page has both values."""
        types, levels = ({choice.value for choice in some} for some in (TYPES, LEVELS))
        return self.transform_type in types and self.intensity in levels


DEFAULT = Wanted("soften", "2")
