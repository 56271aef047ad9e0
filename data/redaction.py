"""Takes direct identifiers and secrets out of texts before they are trained on.

Rules only: e-mail addresses, phone numbers (libphonenumber), payment cards (Luhn), IBANs, IP addresses,
credentials in URLs, and secrets that are labelled or have a known shape. A replacement looks like what it
replaces, and one identifier gets one replacement throughout a row, so that a rewrite still keeps the facts of
its message. Names of people stay: they are what a rewrite must keep; see the data card of a snapshot.
"""

import re

import phonenumbers

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_IPV4 = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_URL_LOGIN = re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)")
_URL_TOKEN = re.compile(
    r"(?i)(?<=[?&])((?:access_?|auth_?|api_?)?(?:token|key|secret|password|sig)=)([^\s&#]+)"
)
_LABELLED = re.compile(
    r"(?i)\b((?:password|passphrase|passwd|pwd|secret|api[ _-]?key|token)s?(?:\s+(?:is|was)\s+|\s*[:=]\s*))"
    r"(\"[^\"\n]{4,}\"|'[^'\n]{4,}'|\S{4,})"
)
_SHAPED = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{16,}"
    r"|tb_[0-9a-z]{4,16}_[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)"
)


def _passes_luhn(digits: str) -> bool:
    """Luhn's check of a payment card number (ISO/IEC 7812-1)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


class Redactor:
    """Redacts the texts of one row; what it replaced once it replaces the same way again."""

    def __init__(self, region: str = "US") -> None:
        self._region = region  # where a phone number without a country code is dialled
        self._replaced: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def redact(self, text: str) -> str:
        """The text without identifiers and secrets; redacting twice changes nothing more."""
        text = _LABELLED.sub(lambda m: m[1] + self._as(m[2], "secret", "[secret-{}]"), text)
        text = _URL_LOGIN.sub(lambda m: self._as(m[0], "secret", "[secret-{}]"), text)
        text = _URL_TOKEN.sub(lambda m: m[1] + self._as(m[2], "secret", "[secret-{}]"), text)
        text = _SHAPED.sub(lambda m: self._as(m[0], "secret", "[secret-{}]"), text)
        text = _EMAIL.sub(lambda m: self._as(m[0].lower(), "email", "mail{}@example.com"), text)
        text = _CARD.sub(self._card, text)
        text = _IBAN.sub(lambda m: self._as(m[0], "iban", "[iban-{}]"), text)
        text = _IPV4.sub(lambda m: self._as(m[0], "ip", "192.0.2.{}"), text)
        return self._phones(text)

    def _as(self, found: str, kind: str, shape: str) -> str:
        if found in self._replaced.values():
            return found
        if found not in self._replaced:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            self._replaced[found] = shape.format(self._numbers[kind])
        return self._replaced[found]

    def _card(self, match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match[0])
        return self._as(digits, "card", "[card-{}]") if _passes_luhn(digits) else match[0]

    def _phones(self, text: str) -> str:
        found: list[tuple[int, int, str]] = [
            (
                match.start,
                match.end,
                phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164),
            )
            for match in phonenumbers.PhoneNumberMatcher(text, self._region)
        ]
        for start, end, number in reversed(found):
            text = text[:start] + self._as(number, "phone", "555-01{:02d}") + text[end:]
        return text
