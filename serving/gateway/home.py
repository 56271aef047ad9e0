"""The gateway's first page, `/`: what this is, and where to go. It needs no key and shows no secret."""

import base64
from hashlib import sha256

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from configs.settings import Settings

_STYLE = """
:root { color-scheme: light dark; }
body {
  margin: 0 auto; padding: 4rem 1.5rem; max-width: 38rem; font: 1.0625rem/1.6 system-ui, sans-serif;
  color: light-dark(#1d2733, #e4e9ef); background: light-dark(#fbfcfd, #12181f);
}
h1 { margin: 0 0 .5rem; font-size: 2rem; line-height: 1.2; }
ul { margin: 2rem 0; padding: 0; list-style: none; }
li { margin: 1rem 0; }
a { color: light-dark(#0b5cad, #86bdf5); font-weight: 600; }
a:focus-visible { outline: 3px solid currentColor; outline-offset: 3px; }
li span { display: block; }
code { font-size: .9375rem; overflow-wrap: anywhere; }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ToneBridge: the gateway</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>ToneBridge</h1>
<p>This is the gateway, the API of ToneBridge. It rewrites workplace messages so that engineers and others
understand each other, and it learns from feedback.</p>
<ul>
{links}</ul>
<p>Programs send <code>POST /api/v1/transform</code> with an API key.</p>
</main>
</body>
</html>
"""
_LINK = '<li><a href="{address}">{name}</a><span>{meaning}</span></li>\n'


def install(app: FastAPI, settings: Settings) -> None:
    """Serve the page. Its first link is the web app, since most who come here want to write; it links to
    `/docs` only where the settings show the API.
    """
    web = settings.web_url or settings.own_url(settings.web_port)
    dashboard = settings.dashboard_url or settings.own_url(settings.dashboard_port)
    links = [
        (web, "Web app", "Rewrite a message in your browser."),
        (dashboard, "Dashboard", "Experiments, models and feedback."),
    ]
    if settings.api_docs:
        links.insert(1, ("docs", "API reference", "Every route, with a form to try it."))
    items = "".join(_LINK.format(address=address, name=name, meaning=text) for address, name, text in links)
    content = _PAGE.format(style=_STYLE, links=items)
    digest = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
    headers = {
        # The digest allows this one style sheet and no other.
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
    }

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(content, headers=headers)
