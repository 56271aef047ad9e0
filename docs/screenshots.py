"""Takes a picture of every page of a running dashboard: light and dark on a desk, light on a phone.

    python docs/screenshots.py http://127.0.0.1:8090 owner@localhost PASSWORD [NAME ...]

The pictures go to docs/dashboard/. Of experiments, metrics, versions and webhooks it takes the first in the
list. The exit status is 1 when a page is wider than its window.
"""

import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent / "dashboard"
WINDOWS = (("desk", 1280, 900, ("light", "dark")), ("phone", 390, 844, ("light",)))
PAGES = (
    "/experiments",
    "/experiments/new",
    "/models",
    "/data",
    "/calibration",
    "/operations",
    "/compare",
    "/webhooks",
    "/accounts",
)


def first(page: Page, address: str, pattern: str) -> str | None:
    """The first link of a page that matches."""
    page.goto(address)
    links = page.locator("main a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    return next((link for link in links if link and re.match(pattern, link)), None)


def main(base: str, email: str, password: str, *names: str) -> int:
    """Take all pictures, or those of some names; the number of pages that are too wide."""
    too_wide = 0
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size, width, height, schemes in WINDOWS:
            for scheme in schemes:
                context = browser.new_context(
                    base_url=base,
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                page = context.new_page()
                page.goto("/sign-in")
                page.screenshot(path=FOLDER / f"sign-in-{size}-{scheme}.jpg", quality=60)
                page.fill("[name=email]", email)
                page.fill("[name=password]", password)
                page.click("button.main")
                page.wait_for_url("**/experiments")
                addresses = {path.strip("/").replace("/", "-"): path for path in PAGES}
                experiment = first(page, "/experiments", r"/experiments/[0-9a-f-]{36}")
                if experiment:
                    addresses["experiment"] = experiment
                    addresses["metric"] = f"{experiment.partition('?')[0]}/metrics/satisfaction"
                if version := first(page, "/models", r"/models/v[0-9]+"):
                    addresses["version"] = version
                if webhook := first(page, "/webhooks", r"/webhooks/[0-9a-f-]{36}"):
                    addresses["webhook"] = webhook
                for name, path in addresses.items():
                    if names and name not in names:
                        continue
                    page.goto(path)
                    if name == "experiment" and size == "desk":
                        page.screenshot(path=FOLDER / f"experiment-top-{scheme}.jpg", quality=70)
                    page.screenshot(path=FOLDER / f"{name}-{size}-{scheme}.jpg", full_page=True, quality=60)
                    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                        print(f"{path} is {wide} wide in a window of {width}")
                        too_wide += 1
                context.close()
        browser.close()
    return too_wide


if __name__ == "__main__":
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    raise SystemExit(min(main(*sys.argv[1:]), 1))
