"""Softens reproaches: they become guesses or questions for the reason."""

import re
from collections.abc import Iterator

from models.edits.japanese.grammar import KANJI, KATAKANA, request_te, te_of_stem
from models.edits.japanese.soften.draft import Draft
from models.edits.script import Edit

# What a blaming question or reproach says; the mild form says the same without the reproach.
_UNASKED = re.compile(
    r"(?:勝手に|無断で|黙って|断りもなく|相談もなく)(?P<what>[^、。]{0,40}?)(?:ましたよね|ましたね|ましたでしょう?)$"
)
_OWN_DEED = re.compile(r"(?:私|僕|俺|自分|うち|弊社|当社|当方)(?:たち|達|ども)?(?:が|は|も|で)")
_AGAIN = re.compile(
    rf"(?<=[、はがも])また(?P<what>[^、。]{{0,14}}[{KANJI}{KATAKANA}0-9A-Za-z])(?:なん)?ですか(?:よ|ね)?$"
)
_ASKS_WHICH = re.compile(
    r"何|いつ|誰|どこ|どれ|どち|幾|別|改め|今度|次|来週|来月|明日|あと|後|曜|[0-9０-９][時日]"
)
_MADE_TO = re.compile(
    rf"(?:何回|何度)(?:も)?(?P<deed>[{KANJI}]{{2}}|(?:やり|書き|作り|出し|送り)?直)させ(?:る|れば)"
    r"(?:の|んですか|のですか|んだよ?|つもりですか|気ですか|気が済むんですか|気が済むの)$"
)
_ONLY_NOT = re.compile(r"(?<=[てで])い?ないだけ(?:でしょう?|だろう?|ですよね|だよね|じゃないですか|じゃん)$")
_NOT_DONE = re.compile(r"(?P<te>[てで])い?ないん(?:ですか|でしょうか|だ|ですかね)$")
_NO_WISH = re.compile(
    r"(?:見る|確認する)気(?:に(?:も)?(?:なりません|なれません|ならない|なれない)|が(?:しない|起きない|起きません))$"
)


def soften_blame(draft: Draft) -> Iterator[Edit]:
    """What a reproach tells, as a guess or a question for the reason."""
    body, asks = draft.body, draft.asks
    if (match := _UNASKED.search(body)) and not _OWN_DEED.search(body):
        how = "確認なしに" if "確認" not in match["what"] else "事前の連絡なしに"
        what = match["what"]
        if re.search(rf"[{KANJI}{KATAKANA}]{{2}}し$", what):
            deeds = (what + "た", what[:-1] + "された", what[:-1] + "された")
        elif verb := te_of_stem(what):
            te = verb[1]
            deed = what[: verb[0]] + te[:-1] + ("た" if te.endswith("て") else "だ")
            deeds = (deed, deed, deed)
        else:
            return
        # A question stays a question.
        tails = ("のでしょうか",) * 3 if asks else ("ようです", "ようです", "のではないかと思います")
        for level, (deed, tail) in enumerate(zip(deeds, tails, strict=True), 1):
            yield draft.end("tag", level, match.start(), how + deed + tail, asks)
    elif (match := _AGAIN.search(body)) and not _ASKS_WHICH.search(body):
        again = f"今回も{match['what']}"
        yield draft.end("question", 1, match.start(), f"{again}でしょうか", True)
        if not asks:
            seems = f"{again}となっているようです。何か"
            yield draft.end("question", 2, match.start(), f"{seems}事情があるのでしょうか", True)
            yield draft.end("question", 3, match.start(), f"{seems}ご事情がおありでしょうか", True)
    elif match := _MADE_TO.search(body):
        deed = match["deed"]
        noun = "修正" if deed == "直" else deed + "し" if deed.endswith("直") else deed
        yield draft.end("harsh_end", 1, match.start(), f"何度か{noun}が続いています")
    elif match := _ONLY_NOT.search(body):
        yield draft.end("tag", 1, match.start(), "いないのではないでしょうか", True)
        yield draft.end("fault_seems", 2, match.start(), "いないのではないかと思います")
    elif (
        (match := _NOT_DONE.search(body))
        and request_te(body[: match.end("te")])
        and not re.search("なぜ|なんで|何|どうして|誰|どこ|どれ|どの|いつ|どなた|私|こちら|弊社", body)
    ):
        te = match["te"]
        yield draft.end("question", 1, match.start(), f"{te}いないのでしょうか", True)
        yield draft.end("question", 2, match.start(), f"{te}いないようですが、いかがでしょうか", True)
        yield draft.end("question", 3, match.start(), f"{te}いないようですが、ご状況はいかがでしょうか", True)
    elif match := _NO_WISH.search(body):
        yield draft.end("harsh_end", 1, match.start(), "確認するのが難しいです")
