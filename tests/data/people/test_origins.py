"""Lists of origins: what they allow, what only looks like it, and what cannot be listed."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.people import origins
from data.people.origins import Origins, RefusedOriginError

APP = "https://app.example.org"
ALL = "https://*.example.org"


@pytest.mark.parametrize(
    "entry",
    [
        APP,
        "https://example.org",
        "https://app.example.org:8443",
        "https://xn--bcher-kva.example",
        "https://my_app.example.org",
        "https://intranet",
        "https://10.0.0.5:3000",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:5173",
        ALL,
        "https://*.example.org:8443",
        "https://*.xn--bcher-kva.example",
        "https://*.example.co.uk",
        "https://*.you.github.io",
        "https://you.github.io",
        "https://*.www.ck",  # an exception of the rule *.ck
        "https://*.city.kawasaki.jp",
        "https://*.corp.internal",
    ],
)
def test_what_browsers_send_can_be_listed(entry: str) -> None:
    assert origins.check(entry) == entry


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("*", "origin_of_everybody"),
        ("null", "origin_of_everybody"),
        ("", "origin_malformed"),
        ("app.example.org", "origin_malformed"),
        ("https://", "origin_malformed"),
        ("https://App.example.org", "origin_malformed"),
        ("HTTPS://app.example.org", "origin_malformed"),
        ("https://app.example.org/", "origin_malformed"),
        ("https://app.example.org/page", "origin_malformed"),
        ("https://app.example.org?", "origin_malformed"),
        ("https://app.example.org#", "origin_malformed"),
        ("https://app.example.org.", "origin_malformed"),
        ("https://app..example.org", "origin_malformed"),
        ("https://-app.example.org", "origin_malformed"),
        ("https://ann@app.example.org", "origin_malformed"),
        ("https://app.example.org https://b.example.org", "origin_malformed"),
        ("https://app.example.org,https://b.example.org", "origin_malformed"),
        ("https://app.example.org\n", "origin_malformed"),
        ("https://app.example.org\0", "origin_malformed"),
        ("https://bücher.example", "origin_malformed"),
        ("https://app.example.org:", "origin_malformed"),
        ("https://app.example.org:0", "origin_malformed"),
        ("https://app.example.org:08443", "origin_malformed"),
        ("https://app.example.org:443x", "origin_malformed"),
        ("https://*", "origin_malformed"),
        ("https://*.*.example.org", "origin_malformed"),
        ("https://app*.example.org", "origin_malformed"),
        ("https://*example.org", "origin_malformed"),
        ("https://app.*.org", "origin_malformed"),
        ("ftp://app.example.org", "origin_malformed"),
        ("file://", "origin_malformed"),
        ("chrome-extension://abc", "origin_malformed"),
        ("https://" + "a" * 300 + ".org", "origin_malformed"),
        ("https://" + "a." * 200 + "org", "origin_malformed"),
        ("https://app.example.org:443", "origin_port_wrong"),
        ("http://localhost:80", "origin_port_wrong"),
        ("https://app.example.org:65536", "origin_port_wrong"),
        ("http://app.example.org", "origin_without_tls"),
        ("http://10.0.0.5:3000", "origin_without_tls"),
        ("http://localhost.example.org", "origin_without_tls"),
        ("http://*.example.org", "origin_without_tls"),
        ("http://*.localhost", "origin_without_tls"),
        ("https://*.org", "origin_too_wide"),
        ("https://*.localhost", "origin_too_wide"),
        ("https://*.co.uk", "origin_of_many_owners"),
        ("https://*.co.uk:8443", "origin_of_many_owners"),
        ("https://*.github.io", "origin_of_many_owners"),
        ("https://*.vercel.app", "origin_of_many_owners"),
        ("https://*.anything.ck", "origin_of_many_owners"),  # by the rule *.ck
        ("https://*.kawasaki.jp", "origin_of_many_owners"),
        ("https://*.xn--55qx5d.cn", "origin_of_many_owners"),
        ("https://*.amazonaws.com", "origin_of_many_owners"),  # s3.amazonaws.com is below it
    ],
)
def test_nothing_else_can(entry: str, code: str) -> None:
    with pytest.raises(RefusedOriginError) as refused:
        origins.check(entry)
    assert [reason.code for reason in refused.value.reasons] == [code]


def test_the_refusal_says_what_to_list_instead() -> None:
    with pytest.raises(RefusedOriginError, match=r"https://\*\.yours\.github\.io"):
        origins.check("https://*.github.io")


def test_a_stored_entry_of_many_owners_allows_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    allowed = Origins(["https://*.github.io", ALL, "https://*.co.uk:8443", "https://you.github.io"])
    for origin in (b"https://evil.github.io", b"https://evil.co.uk:8443"):
        assert origin not in allowed, origin
    for origin in (b"https://app.example.org", b"https://you.github.io"):
        assert origin in allowed, origin
    assert "https://*.github.io" in caplog.text
    assert ALL not in caplog.text


def test_lists_without_subdomains_do_not_read_the_suffixes() -> None:
    """In a process of its own, which nothing else has made read them."""
    program = (
        "import sys; from data.people import origins; origins.check('https://app.github.io');"
        " origins.Origins(['https://app.github.io']); assert 'publicsuffixlist' not in sys.modules;"
        " origins.Origins(['https://*.example.org']); assert 'publicsuffixlist' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


LOOK_ALIKES = [
    b"null",
    b"*",
    b"",
    b"https://example.org",
    b"https://.example.org",
    b"https://app..example.org",
    b"https://evilexample.org",
    b"https://app.evilexample.org",
    b"https://app.example.org.evil.com",
    b"https://example.org.evil.com",
    b"https://evil.com/.example.org",
    b"https://evil.com#.example.org",
    b"https://evil.com?.example.org",
    b"https://evil.com\\.example.org",
    b"https://evil.com%2f.example.org",
    b"https://evil.com:80.example.org",
    b"https://ann@app.example.org",
    b"https://evil.com@app.example.org",
    b"https://App.example.org",
    b"https://APP.EXAMPLE.ORG",
    b"HTTPS://app.example.org",
    b"https://app.example.org.",
    b"https://app.example.org/",
    b"https://app.example.org:443",
    b"https://app.example.org:8443",
    b"https://app.example.org ",
    b" https://app.example.org",
    b"https://app.example.org\t",
    b"https://app.example.org, https://app.example.org",
    b"https://app.example.org https://app.example.org",
    b"https://b\xc3\xbccher.example.org",
    b"https://b\xfccher.example.org",
    b"http://app.example.org",
    b"ftp://app.example.org",
    b"wss://app.example.org",
    b"app.example.org",
    b".example.org",
    b"https://*.example.org",
    b"https://[::1].example.org",
    b"https://" + b"a" * 70 + b".example.org",
    b"https://" + b"a." * 200 + b"example.org",
]


@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_what_looks_like_an_origin_of_a_list_is_none(origin: bytes) -> None:
    assert origin not in Origins([APP, ALL])


def test_a_list_allows_its_origins_and_the_subdomains_of_its_domains() -> None:
    allowed = Origins([APP, "http://localhost:3000", "https://*.example.com", "https://*.example.net:8443"])
    for origin in (
        b"https://app.example.org",
        b"http://localhost:3000",
        b"https://a.example.com",
        b"https://a.b.example.com",
        b"https://xn--bcher-kva.example.com",
        b"https://my_app.example.com",
        b"https://a.example.net:8443",
    ):
        assert origin in allowed, origin
    for origin in (
        b"https://a.app.example.org",
        b"http://localhost:3001",
        b"http://localhost",
        b"http://a.example.com",
        b"https://a.example.com:8443",
        b"https://a.example.net",
        b"https://a.example.net:443",
        b"https://a.example.net:18443",
    ):
        assert origin not in allowed, origin
    assert b"https://app.example.org" not in Origins()


def parts_of(origin: str) -> tuple[str, str, str] | None:
    """Scheme, host and port of an origin, by a parser that was written for this test alone."""
    scheme, separator, rest = origin.partition("://")
    host, colon, port = rest.partition(":")
    labels = host.split(".")
    is_name = all(re.fullmatch(r"[a-z0-9_-]{1,63}", label, re.ASCII) for label in labels)
    has_edges = all(label.strip("-") == label for label in labels)
    is_port = not colon or (port.isascii() and port.isdigit() and port[0] != "0" and len(port) <= 5)
    return (scheme, host, port) if separator and is_name and has_edges and is_port else None


_LABELS = st.from_regex(r"[a-z0-9_-]{1,5}", fullmatch=True)
_HOSTS = st.lists(st.one_of(_LABELS, st.just("example"), st.just("org")), min_size=1, max_size=5).map(
    ".".join
)
_NEAR = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "https:/", "", "https://a@"]),
    st.one_of(_HOSTS, st.text(max_size=6)),
    st.sampled_from(["", ".example.org", "example.org", ".example.org.", ".EXAMPLE.org", "/.example.org"]),
    st.sampled_from(["", ":443", ":8443", ":", ":x"]),
    st.sampled_from(["", "/", " ", "\n", ".evil.com", ", https://a.example.org"]),
)


@given(_NEAR)
def test_a_suffix_allows_exactly_the_subdomains(origin: str) -> None:
    parts = parts_of(origin)
    expected = parts is not None and (
        parts[0] == "https" and parts[1].endswith(".example.org") and parts[2] == "" and origin[-1] != ":"
    )
    assert (origin.encode("utf-8", "replace") in Origins([ALL])) == expected


@given(st.lists(_LABELS, min_size=1, max_size=4).map(".".join), st.sampled_from(["", ":8443"]))
def test_what_can_be_listed_is_an_origin_that_the_list_allows(host: str, port: str) -> None:
    entry = f"https://{host}{port}"
    try:
        origins.check(entry)
    except RefusedOriginError:
        assert parts_of(entry) is None
        return
    assert origins.is_origin(entry.encode())
    assert entry.encode() in Origins([entry])
    assert entry.encode() not in Origins([f"{entry}.example.org"])


@pytest.mark.parametrize(
    "origin", [b"https://a.example", b"http://a.example:8080", b"http://[::1]:3000", b"https://example.org."]
)
def test_origins_of_pages_on_the_web_are_known_as_such(origin: bytes) -> None:
    assert origins.is_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [b"null", b"*", b"", b"https://a, https://b", b"https://a\r\nx: y", b"file://", b"https://" + b"a" * 400],
)
def test_other_values_are_not(origin: bytes) -> None:
    assert not origins.is_origin(origin)
