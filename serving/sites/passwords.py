"""The change of one's own password, for the page of each site that has its form."""

from fastapi.responses import RedirectResponse
from starlette.responses import Response

from serving.sites import session
from serving.sites.visit import SiteVisit


def change(here: SiteVisit, password: str, new_password: str) -> Response:
    """Change the password of the signed-in person. All their sessions end, so the sign-in page follows.
    GatewayError when the gateway refuses.
    """
    here.ask("PUT", "/auth/password", {"password": password, "new_password": new_password})
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(session.COOKIE)
    return response
