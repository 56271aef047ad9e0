"""Where a page of the web app leads."""

import uuid

from serving.web.app import create_app
from tests.dashboards import csrf_token
from tests.serving.web.scripted import Writer
from tests.site_inputs import change_language, post_bad_forms
from tests.webs import Site


def test_the_language_can_be_changed_on_the_page_that_refuses_any_form(scripted: tuple[Site, Writer]) -> None:
    """By no address that knows only forms. An id that is unknown is no page in any language."""
    site, _ = scripted
    with site.client() as client:
        app, csrf = create_app(site.settings).behind, csrf_token(client, "/profile")
        refused = 0
        for page in post_bad_forms(client, app, csrf, lambda name: str(uuid.uuid4())):
            refused += page.status_code >= 400
            answer = change_language(client, page)
            where = f"{page.url.path} {page.status_code} -> {answer.url.path}"
            assert answer.status_code == 200 or (answer.status_code == 404 and "-" in answer.url.path), where
    assert refused > 50
