"""What several platforms say; before a person's language is known in both: the English sentence, then the
Japanese one.
"""

from data.reasons import Language
from serving.sites.words import Words

NOT_CONNECTED = (
    "This workspace is not connected to ToneBridge. Ask an admin of ToneBridge to connect it.",
    "このワークスペースはToneBridgeに接続されていません。管理者に接続を依頼してください。",
)
LATER = (
    "ToneBridge cannot answer at the moment. Try again in a minute.",
    "ToneBridgeは現在応答できません。1分後にもう一度お試しください。",
)
EMPTY = ("Write the text.", "文を入力してください。")
REWRITING = ("Rewriting …", "書き換えています…")
NO_TEXT = ("This message has no text.", "このメッセージには文がありません。")
AGREE = "Agree · 同意する"
AGREE_UNTRAINED = "Agree, without learning from me · 同意、学習は不可"


def ask_for_consent(platform: str, stop: str) -> tuple[str, str]:
    """What is stored of a person of a platform, whose name it is; `stop` is what they send to end it."""
    return (
        f"ToneBridge rewrites messages. It stores your {platform} id, the messages that you give it, their"
        " rewrites, and what you think of them. Admins of your organisation can get these, too. Nothing is"
        f" stored before you agree. {stop} ends it, and deletes everything if you want.",
        f"ToneBridgeはメッセージを書き換えます。あなたの{platform} ID、渡したメッセージ、"
        "書き換えた文、その評価を保存します。組織の管理者もこれらを取得できます。"
        f"同意するまで何も保存しません。{stop} で利用を終了し、"
        "希望すればすべて削除できます。",
    )


def explain_terms(command: str, words: Words) -> str:
    """How a person lists and changes their own terms by a command."""
    return words.say(
        "%(command)s lists your own terms: words that your rewrites never change, explain, or replace. To"
        " change them: “%(command)s keep: Project Harsh”, “%(command)s explain: SLO = our promise”,"
        " “%(command)s replace: user = customer”, “%(command)s remove: SLO”.",
        command=command,
    )


def choose(both: tuple[str, str], language: Language) -> str:
    """The one of both sentences that is in a language."""
    return both[("en", "ja").index(language)]
