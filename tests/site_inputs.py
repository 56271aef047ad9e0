"""Every field of every address of a site, and requests with a text in one of them."""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import httpx
from fastapi import FastAPI

NO_TEXT = ("%00", "before%00after")
LONG = "a" * 10_000
UNUSUAL = (
    "%ED%A0%80", "%F0%9F%92%A9", "%F0%9F", "%FF", "%0D%0ASet-Cookie:x", "%E2%80%AE", "%5B" * 1500,
    "1e999", "NaN", "-1", "%25s%25(x)s", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "%5C", "%27%3B--", "{{7*7}}",
)  # fmt: skip
CHARSETS = ("raw_unicode_escape", "undefined", "idna", "utf-16", "utf-7", "no such")
METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "NONSENSE")
POLICY = "frame-ancestors 'none'"


class Field(NamedTuple):
    """A place of a request that holds text: a part of a path, a parameter, or a field of a form."""

    method: str
    path: str
    where: str
    name: str
    form: tuple[str, ...]


def declared(
    app: FastAPI, undeclared: Mapping[tuple[str, str], tuple[str, ...]] | None = None
) -> list[Field]:
    """Every field that an application declares, and a parameter that it does not know for each address.
    `undeclared` has the fields of forms that it reads without a declaration, by method and path.
    """
    schema = app.openapi()
    fields = []
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            form: tuple[str, ...] = ()
            for content in operation.get("requestBody", {}).get("content", {}).values():
                form_schema = schema["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                form = tuple(form_schema["properties"])
            form = (undeclared or {}).get((method, path), form)
            fields += [
                Field(method, path, parameter["in"], parameter["name"], form)
                for parameter in operation.get("parameters", [])
            ]
            fields += [Field(method, path, "form", name, form) for name in form]
            if path != "/sign-out":  # with a csrf that fits it would do what it says
                fields.append(Field(method, path, "query", "unknown", form))
    return fields


def choices(app: FastAPI) -> dict[str, str]:
    """A value of each field of a form that has a list of them, by the field's name."""
    schemas = app.openapi()["components"]["schemas"]
    return {
        name: str(values[0])
        for schema in schemas.values()
        for name, field in schema.get("properties", {}).items()
        if (values := schemas.get(field.get("$ref", "").rpartition("/")[2], field).get("enum"))
    }


def filled(path: str, value_of: Callable[[str], str]) -> str:
    """The template of a path with values in it."""
    return re.sub(r"\{(\w+)\}", lambda match: value_of(match[1]), path)


def ask(client: httpx.Client, field: Field, value: str, usual: Callable[[str], str]) -> httpx.Response:
    """A request in which one field has a value, which is percent-encoded already; the others have what
    `usual` returns for their names.
    """
    path = filled(
        field.path, lambda name: value if (field.where, field.name) == ("path", name) else usual(name)
    )
    if field.where == "query":
        path += f"?{field.name}={value}"
    body = "&".join(
        f"{name}={value if (field.where, field.name) == ('form', name) else usual(name)}"
        for name in field.form
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if field.method == "post" else {}
    return client.request(field.method, path, content=body or None, headers=headers)


def send_in_charset(
    client: httpx.Client, path: str, values: Mapping[str, str], charset: str
) -> httpx.Response:
    """A form whose bytes are to be read in a charset that the client names."""
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    return client.post(path, content=f"{parts}--b--\r\n".encode(), headers=headers)


def post_bad_forms(
    client: httpx.Client, app: FastAPI, csrf: str, usual: Callable[[str], str]
) -> Iterator[httpx.Response]:
    """Pages that answer a form to each address that takes one: an empty form, one of another session, and one
    whose fields fit nothing. `usual` returns what stands for a name in a path.
    """
    takers = sorted({(field.path, field.form) for field in declared(app) if field.method == "post"})
    for template, names in takers:
        nonsense = dict.fromkeys(names, "?")
        forms = [{}, nonsense]
        if template != "/sign-out":  # with a csrf that fits it would do what it says
            forms.append({**nonsense, "csrf": csrf})
        for form in forms:
            answer = client.post(filled(template, usual), data=form)
            if answer.headers.get("content-type", "").startswith("text/html") and "<html" in answer.text:
                yield answer


def change_language(client: httpx.Client, page: httpx.Response) -> httpx.Response:
    """Where the form for the language leads that is on a page."""
    match = re.search(r'name="to" value="([^"]*)"', page.text)
    assert match is not None, page.url
    return client.post("/look", data={"language": "en", "to": html.unescape(match[1])})


def check_headers(answer: httpx.Response) -> None:
    """An answer has the headers that protect a browser, each once."""
    where = f"{answer.request.method} {answer.request.url.raw_path[:80]!r} {answer.status_code}"
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"):
        assert len(answer.headers.get_list(name)) == 1, (where, name)
    assert POLICY in answer.headers["content-security-policy"], where
    assert answer.headers["x-content-type-options"] == "nosniff", where
    is_static = answer.request.url.path.startswith("/static/")
    assert answer.headers["cache-control"] == ("no-cache" if is_static else "no-store"), where


def check_head(answer: str, path: str, method: str) -> None:
    """As `check_headers`, for what came on a raw connection."""
    head = answer.partition("\r\n\r\n")[0].lower()
    if method == "NONSENSE":
        assert head.startswith("http/1.1 400"), head  # uvicorn's, before there is a request
        return
    assert int(head.split()[1]) < 500, head
    for line in (
        "x-content-type-options: nosniff",
        "referrer-policy: same-origin",
        "content-security-policy: ",
    ):
        assert head.count(f"\r\n{line}") == 1, (line, head)
    expected = "no-cache" if path.startswith("/static/") else "no-store"
    assert f"cache-control: {expected}" in head, head
