"""What makes the web app installable: its manifest, its service worker, and the page for when it is offline.

The service worker keeps the files of the site and the offline pages, which are the same for everybody. Its
version is a digest of them, so browsers take the new ones when a release changes them.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from data.reasons import Language
from serving.sites import words
from serving.sites.words import LANGUAGES, Words

_KEPT = {".css", ".js", ".svg"}  # of the files; large icons are for the system, which has its own copy
_ICON = "/static/icons/icon"
LIGHT, DARK = "#ffffff", "#1a202a"  # --card of base.css, the ground of the page's header


class Shell:
    """The files and pages that browsers keep."""

    def __init__(self, templates: Environment, folders: Mapping[str, Path]) -> None:
        """`folders` has the files of the site, by the beginning of their addresses."""
        self._templates = templates
        contents = {
            f"{beginning}/{file.relative_to(folder).as_posix()}": file.read_bytes()
            for beginning, folder in folders.items()
            for file in folder.rglob("*")
            if file.suffix in _KEPT
        }
        contents |= {f"/offline/{language}": self.offline(language).encode() for language in LANGUAGES}
        self.addresses = sorted(contents)
        digest = sha256()
        for address in self.addresses:
            digest.update(sha256(address.encode()).digest() + sha256(contents[address]).digest())
        self.version = f"shell-{digest.hexdigest()[:16]}"

    def offline(self, language: Language) -> str:
        """The page that says that there is no connection."""
        read = Words(language)
        return self._templates.get_template("offline.html").render(_=read.say, words=read)

    def worker(self) -> str:
        """The service worker."""
        template = self._templates.get_template("service-worker.js")
        return template.render(version=self.version, addresses=self.addresses)


def manifest(read: Words) -> dict[str, object]:
    """The web app manifest (W3C) in the reader's language."""
    sizes = [("192x192", "192", "any"), ("512x512", "512", "any"), ("512x512", "maskable-512", "maskable")]
    icons = [{"src": "/static/shared/icon.svg", "sizes": "any", "type": "image/svg+xml"}]
    icons += [
        {"src": f"{_ICON}-{name}.png", "sizes": size, "type": "image/png", "purpose": purpose}
        for size, name, purpose in sizes
    ]
    return {
        "id": "/",
        "name": "ToneBridge",
        "short_name": "ToneBridge",
        "description": read.say("Rewrite a message so that its reader understands it, and likes to."),
        "lang": read.language,
        "dir": "ltr",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": LIGHT,
        "background_color": LIGHT,
        "categories": ["business", "productivity"],
        "icons": icons,
        "shortcuts": [
            {"name": read.say("Rewrite"), "url": "/rewrite", "icons": [{**icons[1], "purpose": "any"}]}
        ],
        # By GET, since a form of another program has no secret of the session.
        "share_target": {
            "action": "/rewrite",
            "method": "GET",
            "params": {"title": "title", "text": "text", "url": "url"},
        },
    }


def make_router(shell: Shell) -> APIRouter:
    """The routes of the shell. They need no session, and look at none."""
    router = APIRouter()

    @router.get("/manifest.webmanifest")
    def show_manifest(request: Request) -> Response:
        """The manifest."""
        content = manifest(Words(words.chosen(request)))
        return JSONResponse(content, media_type="application/manifest+json")

    @router.get("/service-worker.js")
    def show_worker() -> Response:
        """The service worker, for all addresses of the site."""
        return Response(shell.worker(), media_type="text/javascript")

    @router.get("/offline/{language}")
    def show_offline(language: Language) -> Response:
        """The page for when there is no connection."""
        return HTMLResponse(shell.offline(language))

    return router
