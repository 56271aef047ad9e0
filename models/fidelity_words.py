"""Word lists of `models.fidelity`, English and Japanese.

They were written by hand from the guideline for readers, and completed by looking at the first half of the
labelled rewrites and of the corpus of edits; `models.fidelity_report` measures them on the second half.
"""

import re


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that carry no content of their own.
FUNCTION = _split(
    """
    a about actually after again all almost already also am an and any anyway are as at back be because
    been before being both but by can could did do does doing done even ever every for from get gets
    getting got had has have having he her here hers him his how however i if in into is it its itself
    just least let lot may maybe me might mine more most much must my myself nor now of off often on
    once only or other our ours out over own perhaps possibly probably quite rather really shall she
    should since so some somebody someone something soon still such than that the their them then there
    therefore these they thing things this those though through to too unless until up upon us very via
    was we were what when where whether which while who whom whose why will with within would yes yet
    you your yours yourself that's it's there's what's ok okay pretty sort kind bit well way one ones
    each another same fyi etc asap pls plz i'm i'll i've i'd we're we'll we've we'd you're you'll you've
    you'd he's he'll he'd she's she'll she'd they're they'll they've they'd honestly simply basically
    anyone anybody anything everyone everybody everything
    """
)
# Words of courtesy and of the frame around a message: adding or dropping them changes no fact.
COURTESY = _split(
    """
    please kindly thank thanks hi hello hey dear regards best many greetings morning sorry afraid
    unfortunately apologies apologise apologize appreciate appreciated grateful glad gladly happy love
    great nice helpful help hope wonder wondering mind possible able understand know see saw notice
    noticed think believe feel seem seems seemed look looks like liked want wanted time chance moment
    busy bother little good concerned worry worried wish prefer ask asking question questions team folks
    say says said tell make makes made sure need needs needed necessary note let's quick heads-up heads
    guys mean means problem problems issue issues matter matters difficult hard easier clear unclear
    current currently present meanwhile otherwise instead further next later short brief summary follow
    following reason cause effect status result action request decision open constraint constraints
    deadline background due date owner topic subject requirement requirements contact point proposal
    findings affected
    """
)
JA_COURTESY = _split(
    """
    願 迷惑 不便 協力 正直 世話 恐 入 疲 様 手数 申 訳 件 思 気 何卒 幸 助 存 致 頂 下 了承 理解 拝見 失礼 誠
    方 旨 際 為 事 物 所 他 以上 下記 現時点 現在 今 状況 状態 内容 必要 制約 未定 対象 依頼 要望 質問
    確認 結論 理由 注意 背景 希望
    """
)
# Words that deny what follows them.
NEGATORS = _split(
    """
    not no never nobody nothing none neither nor without cannot isn't aren't wasn't weren't don't
    doesn't didn't won't wouldn't can't couldn't shouldn't mustn't hasn't haven't hadn't needn't ain't
    dont cant wont doesnt isnt didnt havent
    """
)
# Words that deny without being negators. Next to them a negation may come or go: "stop adding", "don't add".
DENIALS = _split(
    """
    stop stopped stops fail fails failed failing drop dropped dropping refuse refused reject rejected
    skip skipped cancel cancelled canceled avoid avoided lack lacks lacking missing miss missed misses
    forgot forget only unless except instead otherwise barely rarely hardly gone against prevent
    prevents block blocked blocks leave leaves left less fewer zero ignore ignored impossible unable
    unusable unclear unknown unconfirmed difficult hard harder useless invalid expired lost empty
    removed outside exclude excluded excluding forbidden banned prohibited unavailable pending
    unnecessary incomplete inconclusive undecided enough decline overdue deny denied too mistake wrong
    late broken off out
    """
)
IMPERATIVES = _split(
    """
    add adjust answer approve arrange ask assign attach backfill book bring buy call cancel change
    charge check choose clean clear close collect come confirm contact copy correct count cut decide
    delete deliver deploy describe disable discard draft drop email enable enter escalate explain export
    fetch file fill find finish fix follow forward get give go hand have help hold ignore include inform
    install invite join keep learn leave let limit list lock log look make mark meet merge move notify
    offer order park pass pay pick plan post prepare print provide publish pull push put quote raise
    read rebase reboot redo reduce refund release remember remind remove rename replace reply report
    rerun reschedule resend reset resolve respond restart restore return review revert rewrite roll run
    save say schedule send set share ship show sign skip sort split start stay stick stop store submit
    switch take talk tell test translate try turn undo unplug update upgrade upload use verify wait walk
    warn wear write
    """
)
# An imperative at the beginning of a clause stands before one of these; "test failed" is none.
AFTER_IMPERATIVE = _split(
    """
    the it me them a an this that these those your my us him her all out up back until till before by in
    on off to no any our their over and sure at with only again from for when if both another every each
    what who whether how why into about down as nothing here there now today tomorrow asap
    """
)
# Verbs that a polite request may add: "could you take a look", "please let me know".
POLITE_VERBS = _split(
    """
    let make have take look check keep see note confirm add try be do help give get tell share send
    explain say name ask find use avoid wait hold leave go come read review consider feel remember put
    stop not start only bear contact reply answer pay refrain watch accept know don mind raise suggest
    like just also
    """
)
IRREGULAR = {
    "sent": "send", "told": "tell", "went": "go", "gone": "go", "goes": "go", "wrote": "write",
    "written": "write", "bought": "buy", "paid": "pay", "took": "take", "taken": "take", "broke": "break",
    "broken": "break", "kept": "keep", "left": "leave", "gave": "give", "given": "give", "came": "come",
    "found": "find", "brought": "bring", "held": "hold", "met": "meet", "chose": "choose", "chosen": "choose",
    "overwrote": "overwrite", "ran": "run", "sold": "sell", "spoke": "speak", "spoken": "speak",
    "forgot": "forget", "forgotten": "forget", "began": "start", "begun": "start", "begin": "start",
    "built": "build", "lost": "lose", "knew": "know", "known": "know", "thought": "think", "caught": "catch",
    "fell": "fall", "grew": "grow", "drew": "draw", "drove": "drive", "rose": "rise", "shown": "show",
    "stood": "stand", "won": "win", "spent": "spend", "slept": "sleep", "heard": "hear", "people": "person",
    "mail": "email", "mails": "email", "emails": "email", "e-mail": "email", "figures": "number",
    "figure": "number", "numbers": "number", "repair": "fix", "repaired": "fix", "correct": "fix",
    "corrected": "fix", "complete": "finish", "completed": "finish", "solved": "solve", "sorted": "solve",
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "app": "application", "dept": "department",
    "tmrw": "tomorrow", "info": "information",
}  # fmt: skip
PERSONS = {
    "i": 1, "me": 1, "my": 1, "i'm": 1, "i'll": 1, "i've": 1, "i'd": 1, "we": 1, "us": 1, "our": 1,
    "we're": 1, "we'll": 1, "we've": 1, "we'd": 1, "you": 2, "your": 2,
    "you're": 2, "you'll": 2, "you've": 2, "you'd": 2,
    "he": 3, "she": 3, "they": 3, "him": 3, "her": 3, "them": 3, "his": 3, "their": 3, "he's": 3, "she's": 3,
    "they're": 3, "they'll": 3, "they've": 3, "they'd": 3, "he'll": 3, "she'll": 3,
}  # fmt: skip
POSSESSIVES = frozenset(("my", "our", "your", "his", "their"))
OBJECTS = frozenset(("me", "us", "you", "him", "them"))
# Words that take each other's place where a meaning is turned round.
OPPOSITES = (
    ("before", "after"), ("strong", "weak"), ("more", "less"), ("more", "fewer"), ("increase", "decrease"),
    ("enable", "disable"), ("accept", "reject"), ("unless", "if"), ("higher", "lower"), ("earlier", "later"),
    ("most", "least"), ("minimum", "maximum"), ("with", "without"), ("always", "never"), ("up", "down"),
    ("on", "off"), ("open", "closed"), ("import", "export"), ("buy", "sell"), ("best", "worst"),
    ("以上", "以下"), ("以前", "以後"), ("増", "減"), ("可", "不可"), ("可能", "不可能"), ("前", "後"),
)  # fmt: skip
# Words that tell one thing from another of its kind, as a name does.
ORDERED = _split(
    """
    first second third fourth last old new left right north south east west morning afternoon evening
    before after strong weak internal external paid unpaid open closed
    """
)
# A sentence that asks for something, in any way.
ASKS = re.compile(
    r"[?？]|\b(?:please|pl[sz]|kindly|let me know|must|should|shall|let's|make sure|grateful|appreciate\w*"
    r"|remind\w*|expected|someone|somebody|feel free|may [iw]e?|(?:could|can|would|will) (?:you|we|i|one"
    r"|it|some\w*|any\w*|the|they)"
    r"|i(?:'d| would) (?:like|love|ask|appreciate|be|rather)|[iw]e? (?:want|need|ask|expect|suggest"
    r"|propose|would|kindly)"
    r"|needs? (?:to|you|your|an?|the|it|some\w*)|(?:has|have|had|need|are|is) to|helps? (?:me|us|if)"
    r"|would (?:be|help|it))\b"
    r"|\b(?:requests?|needs?|needed|to ?do|open|questions?|decisions?|actions?|asks?|required"
    r"|constraints?|deadlines?|tasks?"
    r"|wanted|who|what|when|which|whether|why)\b[^.:\n]{0,40}:"
    r"|ください|下さい|ほしい|欲しい|願い|願う|もらえ|いただけ|いただき|頂け|頂き|くれ|ますか|ですか"
    r"|でしょうか|ませんか|たい(?:です|[。、])"
    r"|[てで](?:ね|よ)?(?:[。！\n]|$)|しろ|やめ|必要|依頼|要望|こと(?:[。）)]|$)|べき|なければ|なきゃ"
    r"|ないと|禁止|頼|か。|希望|質問|確認|未定|助かり|れよ|せよ|るな[。！]",
    re.IGNORECASE,
)
# A sentence that asks its reader, without doubt.
REQUESTS = re.compile(
    r"[?？]|\b(?:please(?! (?:note|be aware|find|see))|pl[sz]|kindly|let me know|make sure|(?:could|can"
    r"|would|will) (?:you|some\w*|any\w*))\b"
    r"|ください|下さい|ほしい|欲しい|お願い(?:し|いた|でき)|もらえ(?:ます|ません)|いただけ(?:ます|ません"
    r"|ない)|ませんか|でしょうか"
    r"|[てで](?:ね|よ)?(?:[。！\n]|$)",
    re.IGNORECASE,
)
# A heading under which a request may stand as a phrase.
LABELS = re.compile(
    r"^\W{0,4}(?:requests?|needs?|needed|to ?do|open|questions?|decisions?|actions?|asks?|asked|required"
    r"|tasks?|wanted|please|for you|from you"
    r"|what|next|rules?|who|how to|wish|task|order)\b[^\n:]{0,40}(?::|$)"
    r"|(?:依頼|お願い|必要|要望|対応|質問|未定|確認|制約|やること|期限|条件|希望|注意"
    r"|禁止)[^\n]{0,8}(?:[：:】]|$)",
    re.IGNORECASE | re.MULTILINE,
)
# A sentence that says that the message does not say something.
NOTES = re.compile(
    r"\b(?:not|isn't|aren't|neither|nor|without|no|nothing|hasn't been|never|don't|doesn't"
    r"|haven't)\b[^.\n]{0,30}\b(?:stated|states?|given|gives?|give|mention(?:ed|s)?"
    r"|named?|said|says?|specified|decided|known|know|written|fixed|set|clear|sure|confirmed|checked"
    r"|included|here|there|reason|provided)\b"
    r"|\b(?:missing|unclear|unknown|to be (?:named|added|confirmed|decided|clarified|filled)"
    r"|please (?:name|add|ask|say|note|fill|confirm)"
    r"|asks? (?:me|if|us))\b"
    r"|記載|書かれて|書いて|明記|不明|未定|未確認|補足|追記|示されて|触れて|述べて|決まって|わかりません"
    r"|分かりません|尋ね|お問い合わせ|記され|確認でき"
    r"|言及|説明はありません|理由は",
    re.IGNORECASE,
)
# Verbs that take a negation on themselves: "I don't know if they need it" does not deny the need.
ABSORBING = _split(
    """
    know think sure say says said clear mind believe understand worry decided agreed certain idea clue
    matter care told known stated given mentioned forget hesitate
    """
)
# Words that a meaning turns on, and the words of which one must then stay.
HINGES: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
    (_split(words), _split(f"{words} {others}"))
    for words, others in (
        ("unless except", "otherwise only without apart"),
        ("until till", "before by from first once when as pending wait after then"),
        ("before", "until till by first ahead earlier prior beforehand deadline without advance"),
        ("after once", "when then from following since until if as later"),
        ("if whether", "when unless case otherwise provided or until depending should ?"),
        ("only", "just nothing limited except alone limit than maximum sole solely nobody limits"),
        ("or", "either nor otherwise and"),
        ("both", "two 2 each all either"),
        (
            "all every each",
            "everyone everything whole entire any always both daily weekly anyone everybody nobody none full",
        ),
        (
            "maybe perhaps probably might possibly",
            "may could think likely seems seem believe unconfirmed suspect guess looks apparently assume "
            "possible suggest suppose sure",
        ),
        ("someone somebody", "who anyone any whoever owner person everyone"),
        ("again", "another second repeat still more re twice keeps back repeatedly already time times"),
        ("still", "yet continues remains again already open since pending currently stays"),
        ("yet", "still open later far until so not"),
        (
            "never nobody nothing none neither nor not no don't doesn't didn't can't cannot won't isn't "
            "aren't wasn't without",
            "",
        ),
    )
)
JA_HINGES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = tuple(
    (tuple(words.split()), tuple(f"{words} {others}".split()))
    for words, others in (
        ("だけ のみ しか", "限 以外 ただ 一 除 に絞"),
        ("まで", "以内 前 期限 締 迄 うち 中に 後"),
        ("以外", "除 のみ だけ ほか 他"),
        ("かも たぶん おそらく らしい", "可能性 未確認 思 見込 よう そう みたい 不明 気 確"),
        ("場合 ければ なら たら", "とき 時 際 うえで もし 後 まで ては と、 次第 ば"),
        ("前に", "前 まで 先 から"),
        ("ない ません なく", "ず ぬ 不 無 未 禁 控 避 なし やめ 外 難 だけ のみ 以外 まだ 断 止 困 なけ"),
    )
)
JA_NEGATION = re.compile(r"ない|ません|なく|なかっ|(?<!ま)ず(?:に|$)|なし|ぬ$|るな$")
# Forms of negation that deny nothing: "may be", "must", "could you", "sorry", "not only", "isn't it".
JA_NO_NEGATION = re.compile(
    r"かもしれ(?:ない|ません)|(?:いただけ|くれ|もらえ|ただけ)(?:ない|ません)(?:か|でしょうか)|ませんか"
    r"|すみません"
    r"|な(?:ければ|きゃ|くては|くちゃ)(?:いけ|な[りら])?(?:ない|ません)?|ないと(?:(?:いけ|な[りら]"
    r"|だめ)(?:ない|ません)?|$)"
    r"|じゃないですか|ではないか|ないでしょうか"
    r"|だけ(?:で|では)なく|ないうち|なくな[りっ]|ざるを"
)
JA_DENIALS = frozenset("不無未非禁止控避除外難困断消切済休欠却否違誤間遅悪空削減延限")
THANKS = re.compile(r"\b(?:thank you|thanks) (?:\w+ )?(?:for|to) ", re.IGNORECASE)
THANKED = re.compile(r"\bthank", re.IGNORECASE)
TELLS = re.compile(r"\b(?:tell me|let me know)\b", re.IGNORECASE)
ASKED = re.compile(r"\?|\b(?:tell|let me know|says?|ask\w*|wh(?:at|o|en|ich|y)|how)\b", re.IGNORECASE)
SORRY = re.compile(r"\bsorry (?:for|that|about)\b|\bapologi[sz]e (?:for|that)\b|申し訳|お詫び", re.IGNORECASE)
REASON = re.compile(
    r"\b(?:because|since|due to|as a result|so that|therefore|reason)\b|ため|ので|から", re.IGNORECASE
)
POLITELY = re.compile(
    r"\b(?:please|could you|can you|would you)(?: please| kindly| also)? ([a-z]+)", re.IGNORECASE
)
CHATTER = re.compile(
    r"\bas an? (?:ai|language model)\b|\bhere(?:'s| is) (?:an? |the |your )?(?:\w+ ){0,2}(?:version"
    r"|rewrite|rewritten)\b|\bthank you for your message\b"
    r"|\b(?:rewrite, )?(?:soften|clarify|structure|summarize|terminology|requirements|background) \d/3"
    r"|\bwhat you mean by\b",
    re.IGNORECASE,
)
# The masks of `models.protection`, other placeholders, and a broken character.
MASK = re.compile(r"\b(?:NAME|DAY|DATE|TIME|LINK|EMAIL|NUMBER|TICKET|CHANNEL|CODE|VERSION)\d*\b|\[[A-Z]+\]|�")
