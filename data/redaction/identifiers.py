"""Finds direct identifiers and secrets in a text by rules.

They are e-mail addresses, phone numbers (libphonenumber), payment cards (Luhn), IBANs (ISO 7064), IP
addresses, secrets (after a label, in a URL or in a known format), national ids, dates of birth, postal
addresses and user names. A number without a distinctive format needs valid check digits, or a word before it
that names its kind.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import phonenumbers

from data.redaction import names


class Span(NamedTuple):
    """An identifier in a text: its kind, its place [start, end), and a key that is equal for equal values."""

    kind: str
    start: int
    end: int
    key: str


class Rule(NamedTuple):
    """A pattern for a kind of identifier: its first group is one if `holds` accepts the group's text.

    Some patterns also match long texts that only begin like an identifier, without the group. This skips the
    whole text; otherwise the search would start again at each of its characters.
    """

    kind: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool
    # Quick tests of necessary conditions, so that most texts need no search: one of these characters or
    # lower-case words; this many digits; a match of a faster pattern.
    needs: str | tuple[str, ...] = ""
    digits: int = 0
    hint: re.Pattern[str] | None = None


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split("|"))


def _keep_digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _passes_luhn(text: str) -> bool:
    """Luhn's check of a payment card number (ISO/IEC 7812-1)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(_keep_digits(text)))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _passes_mod_97(text: str) -> bool:
    """The check of an IBAN (ISO 13616, ISO 7064 MOD 97-10)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _passes_dni(text: str) -> bool:
    """The check letter of a Spanish DNI or NIE."""
    number = text.replace("-", "").translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number[:8]) % 23] == text[-1]


def _passes_cpf(text: str) -> bool:
    """The two check digits of a Brazilian CPF."""
    d = [int(c) for c in _keep_digits(text)]
    return all(sum(x * (n + 1 - i) for i, x in enumerate(d[:n])) * 10 % 11 % 10 == d[n] for n in (9, 10))


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _has_letters_and_digits(text: str) -> bool:
    return len(text) >= 6 and _has_digit(text) and any(c.isalpha() for c in text)


def _is_no_plain_word(text: str) -> bool:
    """Whether the text after `password is` is more than a word such as required, wrong or in."""
    return text[0] in "\"'" or not text.rstrip(".,;:!?)").replace("-", "").replace("'", "").isalpha()


def _is_user(text: str) -> bool:
    """Whether a word is a user name by its form, or by a name in it: jdoe42, j.doe, doe, jdoe."""
    if not text.isalpha():
        return True
    kinds, folded = names.read_list(), names.fold(text)
    return folded in kinds or (len(folded) > 4 and "f" in kinds.get(folded[1:], ""))


def _is_name_and_initial(text: str) -> bool:
    """Whether a text is a name and an initial: j.doe or jane.d."""
    first, last = text.split(".")
    kinds = names.read_list()
    return "f" in kinds.get(last, "") if len(first) == 1 else kinds.get(first, "")[:1] in ("g", "r")


def _is_handle(text: str) -> bool:
    """Whether the word after an @ is a person's, and not a team, a package or a decorator."""
    kinds = names.read_list()
    pieces = [piece for piece in re.split(r"[\W\d_]+", names.fold(text)) if len(piece) > 2]
    is_named = any(
        kinds.get(piece, "w")[-1] not in "wx" or (_is_user(piece) and piece[1:] in kinds) for piece in pieces
    )
    return is_named or _has_digit(text)


_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = (
    rf"(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
    rf"|{_DAY}(?:\sof)?[\s-]{_MONTH},?[\s-]\d{{4}}|{_MONTH}\s{_DAY},?\s\d{{4}})(?!\d)"
)
_LABEL = r"(?:pass(?:word|phrase|code|wd)|pwd|pw|(?:client[ _-]|signing )?secret|api[ _-]?key|token)s?"
_IN_LABELS = _split("pass|pw|secret|key|token")
_VALUE = r"(\"[^\"\n\0]{4,}\"|'[^'\n\0]{4,}'|[^\s\0]{3,}[^\s\0.,;)])"
_HEX = r"[0-9A-Fa-f]{1,4}"
_USER = r"([A-Za-z](?:[\w.-]*\w)?)"
_LATIN = r"A-Za-zÀ-ÖØ-öø-ɏ\u0300-\u036f"  # with accents, composed or not
_CAPITAL = r"[A-ZÀ-ÞĀ-Ž][\w.'’-]*"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Way|Court|Ct|Place|Terrace|Boulevard|Blvd|Square|Crescent"
    r"|Gardens|Row|Hill|Walk|Parade|Highway|Hwy|Parkway|Mews|Grove|Quay|Circle|Trail)\b\.?"
)
_POSTCODE = (
    r"(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{4} [A-Z]{2}"
    r"|\d{2}-\d{3}|\d{3}-\d{4}|\d{4,5})\b"
)
_REGION = r"(?:[A-Z]{2,3}\b)"
# , Unit 9, Portland, ME 04101 and , 10115 Berlin
_TOWN = (
    rf"(?:,? (?:Apt|Apartment|Flat|Unit|Suite|Ste)\.? \w+)?"
    rf"(?:,? (?:{_POSTCODE} {_CAPITAL}|{_CAPITAL}(?: {_CAPITAL}){{0,2}}(?:,? {_REGION})?,? {_POSTCODE}))?"
)

RULES: tuple[Rule, ...] = (
    Rule("secret", re.compile(rf"\b(?i:{_LABEL})\s*[:=]\s*{_VALUE}"), needs=_IN_LABELS),
    Rule(
        "secret",
        re.compile(rf"(?i)\b{_LABEL}\b[^\n.:=\0]{{0,24}}?\s(?:is|was)\s{_VALUE}"),
        _is_no_plain_word,
        needs=_IN_LABELS,
    ),
    Rule(
        "secret",
        re.compile(
            r"(?i)\b(?:error|status|exit|response|reason|postal|zip|product|country|currency) code"  # none
            r"|\b(?:pin|code)\b(?:[^\n.,:=\d\0]{0,24}?\s(?:is|was)|:)? (\d(?:[\d ]{2,9}\d#?|\d*#))"
        ),
        needs=_split("pin|code"),
        digits=1,
    ),
    Rule("secret", re.compile(rf"(?i)\b{_LABEL} {_VALUE}"), _has_letters_and_digits, _IN_LABELS, digits=1),
    Rule(
        "secret",
        re.compile(rf"(?i)\bwith {_VALUE} as the pass(?:word|phrase|code)"),
        needs=_split(" as the pass"),
    ),
    Rule("secret", re.compile(r"(?<=://)([^\s/@:\0]+:[^\s/@\0]+)(?=@)"), needs="@"),
    Rule("secret", re.compile(r"(?i)[?&]\w*(?:token|key|secret|password|sig)=([^\s&#\0]+)"), needs="="),
    Rule(
        "secret",
        re.compile(r"\b[A-Z][A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|KEY|PASS)=([^\s\0]{3,}[^\s\0.,;])"),
        needs="=",
    ),
    Rule("secret", re.compile(r"\s-u ([^\s:\0]+:[^\s\0]+)"), needs=_split("-u ")),
    Rule("secret", re.compile(r"(?i)\bbearer ([\w.~+/-]{11,}[\w=])"), needs=_split("bearer ")),
    Rule(
        "secret",
        re.compile(r"\b(?:(eyJ[\w-]{10,}+\.[\w-]{10,}+\.[\w-]*+)|eyJ[\w-]*+)"),
        needs=_split("eyj"),
    ),
    Rule(
        "secret",
        re.compile(
            r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|glpat-[\w-]{16,}|npm_\w{20,}|xox[abprs]-[A-Za-z0-9-]{10,}"
            r"|[srp]k[-_][\w-]{16,}|whsec_\w{16,}|AIza[\w-]{30,}|hvs\.[\w-]{20,}|tb_[0-9a-z]{4,16}_[\w-]{16,})"
        ),
        needs=_split("_|-|akia|aiza|hvs."),
    ),
    # Only Latin letters, with accents: in Japanese no space separates an address from the next word.
    Rule(
        "email",
        re.compile(rf"([{_LATIN}0-9._%+-]++@[{_LATIN}0-9-]++(?:\.[{_LATIN}0-9-]++)++)|[{_LATIN}0-9._%+-]++"),
        needs="@",
    ),
    Rule(
        "iban",
        re.compile(r"\b([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b"),
        _passes_mod_97,
        digits=12,
    ),
    Rule("iban", re.compile(r"\bIBAN:? ([A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8})\b"), digits=12),
    Rule("card", re.compile(r"(?<![\d-])(\d(?:[ -]?\d){12,18})(?![\d-])"), _passes_luhn, digits=13),
    Rule(
        "ip",
        re.compile(
            r"(?i:\b(?:version|release|section|chapter|clause|paragraph|build|driver)s? \d[\d.]+)"  # none
            r"|(?<![\d.])((?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d))(?!\.?\d)"
        ),
        digits=4,
        hint=re.compile(r"\.\d"),
    ),
    Rule(
        "ip",
        re.compile(
            rf"(?<![\w:.])((?:{_HEX}:){{7}}{_HEX}|(?=[0-9A-Fa-f:]*::)(?:{_HEX}(?::{_HEX}){{0,6}})?::"
            rf"(?:{_HEX}(?::{_HEX}){{0,6}})?)(?![\w:])"
        ),
        _has_digit,
        hint=re.compile(r"::|:\w{1,4}:"),
    ),
    # National ids by format: US, UK, Spain, Brazil, Italy, India, Switzerland, Finland, Belgium, France.
    Rule(
        "national_id",
        re.compile(r"(?<![\d-])((?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?![\d-])"),
        needs="-",
        digits=6,
    ),
    Rule(
        "national_id",
        re.compile(
            r"\b((?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D])\b"
        ),
        digits=6,
    ),
    Rule(
        "national_id",
        re.compile(r"\b([XYZ]?-?\d{7,8}-?[A-Z])\b"),
        lambda t: len(_keep_digits(t)) + t[0].isalpha() == 8 and _passes_dni(t),
        digits=6,
    ),
    Rule(
        "national_id",
        re.compile(r"(?<![\d.])(\d{3}\.\d{3}\.\d{3}-\d{2})(?!\d)"),
        _passes_cpf,
        needs=".",
        digits=6,
    ),
    Rule("national_id", re.compile(r"\b([A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z])\b"), digits=6),
    Rule("national_id", re.compile(r"\b([A-Z]{3}P[A-Z]\d{4}[A-Z])\b"), digits=4),
    Rule("national_id", re.compile(r"(?<!\d)(756\.\d{4}\.\d{4}\.\d{2})(?!\d)"), needs=".", digits=6),
    Rule("national_id", re.compile(r"\b(\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y])\b"), needs="-+a", digits=6),
    Rule("national_id", re.compile(r"(?<!\d)(\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2})(?!\d)"), needs=".", digits=6),
    Rule(
        "national_id",
        re.compile(r"(?<!\d)([12] \d{2} (?:0[1-9]|1[0-2]) \d[\dAB] \d{3} \d{3}(?: \d{2})?)(?!\d)"),
        digits=6,
    ),
    Rule("national_id", re.compile(r"(?<!\d)(\d{6}-[1-8]\d{6})(?!\d)"), needs="-", digits=6),
    Rule(
        "national_id",
        re.compile(
            r"(?i)\b(?:ssn|social security|ni number|national insurance|passport|aadhaar|pan|bsn|pesel|sin"
            r"|nie|dni|nif|cpf|cpr|hetu|tfn|tax (?:file |id)?(?:number)?|steuer-?id|codice fiscale|pps|ahv"
            r"|personnummer|resident number|(?:driv\w+ |driver'?s )?licen[cs]e|(?:id|identity) card"
            r"|national id)\b[^\n\0\d]{0,45}?"
            r"(?<![\w.-])((?=[\w-]*\d[\w-]*\d[\w-]*\d)[A-Z0-9](?:[ .-]?[A-Z0-9]){5,17})(?![\w-])"
        ),
        lambda t: sum(c.isdigit() for c in t) >= 4 and t == t.upper(),
        needs=_split(
            "ssn|social security|ni number|national insurance|passport|aadhaar|pan|bsn|pesel|sin|nie|dni|nif"
            "|cpf|cpr|hetu|tfn|tax |steuer|codice fiscale|pps|ahv|personnummer|resident number|licen|id card"
            "|identity card|national id"
        ),
        digits=4,
    ),
    Rule(
        "birth_date",
        re.compile(rf"(?i)\b(?:born|d\.?o\.?b\.?|birth(?:day|\s?date)?s?|b\.)[^\n\0\d]{{0,40}}?\b({_DATE})"),
        digits=5,
    ),
    Rule(
        "address",
        re.compile(
            rf"((?:(?:(?:Flat|Apt|Unit|Suite) \w+|The(?: {_CAPITAL}){{1,3}}), )?"
            rf"(?<![\d.,-])\d{{1,5}}[A-Za-z]? (?:{_CAPITAL} ){{1,4}}{_STREET}{_TOWN})"
        ),
        digits=1,
        hint=re.compile(rf"\d[A-Za-z]? {_CAPITAL}"),
    ),
    Rule("address", re.compile(rf"\b(P\.?O\.? ?Box \d+{_TOWN})"), needs=_split("box "), digits=1),
    Rule(
        "address",
        re.compile(
            rf"(\b\d{{1,4}}(?: ?bis)?,? (?i:rue|avenue|boulevard|place|quai|chemin|allée|impasse|cours|route)"
            rf" (?:(?:de|du|des|la|le|les|l'|d')\s?){{0,2}}{_CAPITAL}(?: {_CAPITAL}){{0,2}}{_TOWN})"
        ),
        needs=_split("rue |avenue |boulevard |place |quai |chemin |allée |impasse |cours |route "),
        digits=1,
    ),
    Rule(
        "address",
        re.compile(
            rf"\b((?:Via|Viale|Corso|Piazza|Calle|C/|Avenida|Av\.|Plaza|Paseo|Rua|Avenida|ul\.|al\.|pl\.)"
            rf" (?:(?:de|del|della|dei|di|da|do|dos|la|las|los)\s){{0,2}}"
            rf"{_CAPITAL}(?: {_CAPITAL}){{0,2}},? \d{{1,4}}{_TOWN})"
        ),
        needs=_split("via |viale |corso |piazza |calle |c/ |avenida |av. |plaza |paseo |rua |ul. |al. |pl. "),
        digits=1,
    ),
    Rule(
        "address",
        re.compile(
            rf"\b(?:({_CAPITAL}(?:straße|strasse|str\.|weg|platz|allee|gasse|ufer|damm|straat|laan|gracht|plein|kade|gatan|vägen|vej)"
            rf" \d{{1,4}}[a-z]?{_TOWN})|(?>{_CAPITAL}))"
        ),
        needs=_split(
            "straße |strasse |str. |weg |platz |allee |gasse |ufer |damm |straat |laan |gracht |plein |kade "
            "|gatan |vägen |vej "
        ),
        digits=1,
    ),
    Rule(
        "address",
        re.compile(
            rf"(?<![\d-])(\d{{1,3}}-\d{{1,3}}(?:-\d{{1,3}})? (?:{_CAPITAL},? ){{1,4}}\d{{3}}-\d{{4}})\b"
        ),
        needs="-",
        digits=1,
    ),
    Rule("account", re.compile(rf"/(?:users?|u|in|people|profiles?|members?|home|~|@)/{_USER}"), needs="/"),
    Rule("account", re.compile(rf"/[~@]{_USER}"), needs="~@"),
    Rule("account", re.compile(rf"[?&](?:user|user_?name|login|account)=(?!\d+\b){_USER}"), needs="="),
    Rule("account", re.compile(rf"\\Users\\{_USER}"), needs="\\"),
    Rule("account", re.compile(r"(?<![\w.@/])@([A-Za-z][\w.-]*\w)(?![/(\w])"), _is_handle, needs="@"),
    Rule(
        "account",
        re.compile(
            r"(?i)\b(?:user(?: ?name)?|login|logon|account(?: name)?|log(?:ged)? in as|sign(?:ed)? in as)"
            rf"(?: is|:)? {_USER}"
        ),
        lambda t: (
            t == t.lower()
            and (_has_digit(t) or "_" in t or "." in t or (_is_user(t) and t not in names.read_list()))
        ),
        needs=_split("user|login|logon|account| in as"),
    ),
    Rule(
        "account",
        re.compile(r"\b([a-z]+\d{1,4}|[a-z]+[._][a-z]+)(?='s account| account\b)"),
        needs=_split(" account"),
    ),
    Rule(
        "account",
        re.compile(r"(?<![\w.@/-])([a-z]\.[a-z]{3,}|[a-z]{3,}\.[a-z])\b(?!\.)"),
        _is_name_and_initial,
        hint=re.compile(r"\.[a-z]"),
    ),
)
_E164 = phonenumbers.PhoneNumberFormat.E164
# The minimum that libphonenumber can find: at least four digits, with no other signs between them.
_CLOSE = re.compile(r"\d(?:(?:[^\w:,;!?]|[xXー]){0,4}\d){3}")
_CALLED = re.compile(
    r"(?i)\b(?:call|calls|called|calling|ring|rang|phone|mobile|cell|landline|tel|fax|dial|text|sms|whatsapp"
    r"|home|reach|line|(?:his|her|my|your|new|private) number)\b"
    r"[^\d\n\0+(]{0,40}((?:\+|\()?\d[\d ()/-]{6,18}\d)(?![\d-])"
)
# A number as dialled within a country: a zero, then groups of digits.
_NATIONAL = re.compile(
    r"(?<![\w.,+-])((?=(?:\D?\d){9,12}(?!\D?\d))\(?0\d{1,4}\)?(?:[ /-]\d{2,8}){1,5})(?![\w-])"
)


def find(text: str, region: str = "US", rules: Iterable[Rule] = RULES, quick: bool = True) -> list[Span]:
    """Find the identifiers and secrets in a text, in the order of the rules. The spans do not overlap.

    A span is hidden from later rules. `region` is the country of phone numbers without a country code. With
    `quick=False` a rule does not ask its words and its faster pattern first; the spans are the same.
    """
    spans: list[Span] = []
    rest, digits, has = text, len(_keep_digits(text)), lower(text).__contains__
    for kind, pattern, holds, needs, at_least, hint in rules:
        is_hopeless = (needs and not any(map(has, needs))) or (hint and not hint.search(rest))
        if digits < at_least or (quick and is_hopeless):
            continue
        new = [
            Span(kind, *match.span(1), _compute_key(kind, match[1]))
            for match in pattern.finditer(rest)
            if match[1] and holds(match[1])
        ]
        spans += new
        rest = hide(rest, new)
    if digits >= 7:
        spans += _find_phones(rest, region, quick)
    return spans


def lower(text: str) -> str:
    """A text in lower case, with i and s for letters that a case-insensitive pattern matches as these."""
    return text.lower().replace("ſ", "s").replace("ı", "i").replace("i\u0307", "i")


def hide(text: str, spans: Iterable[Span]) -> str:
    """The text with NUL characters, which no rule matches, in place of these spans, which do not overlap."""
    parts, end = [], 0
    for span in sorted(spans, key=lambda span: span.start):
        parts += [text[end : span.start], "\0" * (span.end - span.start)]
        end = span.end
    return "".join([*parts, text[end:]])


def _compute_key(kind: str, value: str) -> str:
    if kind in ("card", "iban", "national_id", "address"):
        return re.sub(r"[\W_]", "", value).lower()
    return value.lower() if kind in ("email", "account") else value


def _find_phones(text: str, region: str, quick: bool) -> Iterator[Span]:
    """Find phone numbers: valid ones, and numbers after a word such as call or mobile."""
    if sum(c.isdigit() for c in text) < 7:
        return
    may_have = not quick or _CLOSE.search(text)
    spans = [
        Span("phone", valid.start, valid.end, phonenumbers.format_number(valid.number, _E164))
        for valid in (phonenumbers.PhoneNumberMatcher(text, region) if may_have else ())
    ]
    yield from spans
    for pattern in (_CALLED, _NATIONAL):
        text = hide(text, spans)
        spans = [
            Span("phone", *match.span(1), digits)
            for match in pattern.finditer(text)
            if 7 <= len(digits := _keep_digits(match[1])) <= 15
        ]
        yield from spans
