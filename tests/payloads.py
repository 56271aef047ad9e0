"""Texts that a careless page would run, load, or turn around, and a look at a page that shows them."""

from playwright.sync_api import Page

from serving.sites.words import contained

PAYLOADS = {
    "script": '<script>alert("pwn")</script>',
    "image": '"><img src=x onerror=alert("pwn")>',
    "quote": "'onmouseover='alert(1)' x='",
    "template": "{{7*7}}{%raw%}${7*7}<%=7*7%>",
    "address": 'javascript:alert("pwn")',
    "end": '</title></textarea></option></svg><svg onload=alert("pwn")>',
    "elsewhere": '<a href="https://evil.example/">pwn</a><link rel=stylesheet href="//evil.example/x.css">',
    "comment": "<!--<base href=//evil.example/>--!><style>@import '//evil.example'</style>",
    "override": "seen \u202epwn",
    "closing": "seen \u2069\u2069\u202c\u202epwn",
    "isolate": "\u2067\u2067\u2067pwn",
    "hebrew": "שלום pwn (1) 2",
    "control": "pwn\x01\x07\x08\x1b[31m\x7f\x85\u2028end",
    "lines": 'pwn\r\n{"level":"error","message":"forged"}\n2026-01-01 ERROR forged',
    "long": "p" * 2000,
    "markdown": "[pwn](javascript:alert(1)) ![](https://evil.example/x)",
}
# None of these may stand in a page as it is: a browser would take it for more than text.
MARKUP = ("<script>alert", "<img src=x", "'onmouseover=", "<svg onload", '<a href="https://evil', "<base ",
          "<link rel=stylesheet", "<!--", "<style>", 'href="javascript', "49${")  # fmt: skip

# Each text that turns text around stands alone in its box, or in one that is isolated. In a box of somebody's
# words, what is marked within them is a part of them.
MIXED = """() => {
    const back = /[\\u0590-\\u05ff\\u202a-\\u202e\\u2066-\\u2069]/, mixed = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const isInline = (element) => {
        const style = getComputedStyle(element);
        return style.display === "inline" && element.localName !== "text" && // of SVG, which is a line
            element.localName !== "title" && !/isolate|plaintext/.test(style.unicodeBidi);
    };
    const inlineText = (element) => [...element.childNodes].map((node) => node.nodeType === 3 ? node.data
        : node.nodeType === 1 && isInline(node) ? inlineText(node) : "").join("");
    while (walker.nextNode()) {
        const text = walker.currentNode;
        if (!back.test(text.data.replace(/\\u2068.*\\u2069/s, ""))) continue;
        let box = text.parentElement;
        while (isInline(box)) box = box.parentElement;
        if (box.matches(".words") && !box.querySelector(":not(ins, del, u)")) continue;
        if (inlineText(box).trim() !== text.data.trim()) mixed.push(box.outerHTML.slice(0, 300));
    }
    return mixed;
}"""

# MLflow and Prefect are at other ports of this machine.
ELSEWHERE = """() => [...document.querySelectorAll("[href], [src], [action], [formaction]")]
    .flatMap((one) => ["href", "src", "action", "formaction"].map((name) => one.getAttribute(name)))
    .filter((address) => address !== null && new URL(address, location).hostname !== location.hostname)"""


class Watch:
    """What a page tries: dialogs, requests to elsewhere, and what its policy forbids."""

    def __init__(self, page: Page, url: str) -> None:
        self.seen: list[str] = []
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) =>"
            " console.error('forbidden: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        page.on("dialog", lambda dialog: (self.seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on(
            "console", lambda message: self.seen.append(message.text) if "forbidden" in message.text else None
        )
        page.on(
            "request",
            lambda sent: None if sent.url.startswith((url, "data:")) else self.seen.append(sent.url),
        )


def check(page: Page, path: str, watch: Watch) -> str:
    """Open a page and look at it; its HTML comes back."""
    answer = page.goto(path)
    assert answer is not None
    assert answer.status < 500, (path, answer.text()[:2000])
    html = answer.text()
    for markup in MARKUP:
        assert markup not in html, (path, markup)
    mixed = page.evaluate(MIXED)
    assert mixed == [], (path, mixed)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280, path
    assert contained(page.title()) == page.title(), path
    attributes: list[str] = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((one) => [...one.attributes].map((at) => at.value))"
    )
    assert [value for value in attributes if contained(value) != value] == [], path
    assert not [value for value in attributes if "�" in value], path
    assert page.evaluate(ELSEWHERE) == [], path
    assert watch.seen == [], path
    return html
