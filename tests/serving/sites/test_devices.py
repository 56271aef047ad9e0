"""What a session shows of a device: brand and platform, and no other word of the header."""

import pytest

from serving.sites import devices

_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Edg/142.0.0.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} OPR/124.0.0.0", "Opera on Windows"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME}", "Chrome on Android"),
        (f"Mozilla/5.0 (Linux; Android 10; K) SamsungBrowser/28.0 {_CHROME}", "Samsung Internet on Android"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME}", "Chrome on ChromeOS"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Version/26.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) {_APPLE} Version/26.0 Safari/604.1",
            "Safari on iPhone",
        ),
        (f"Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) {_APPLE} FxiOS/144.0 Mobile", "Firefox on iPad"),
        ("curl/8.14 (x86_64-pc-Linux)", "Linux"),
        ("Firefox/144.0", "Firefox"),
        ("testclient", None),
        ("", None),
        ("<script>x()</script> Anns-Laptop-7 Firefox/144.0 (Windows NT 10.0)", "Firefox on Windows"),
    ],
)
def test_a_device_is_brand_and_platform(user_agent: str, device: str | None) -> None:
    assert devices.describe(user_agent) == device


def test_no_description_is_longer_than_the_gateway_takes() -> None:
    everything = " ".join(mark for mark, _ in (*devices._BRANDS, *devices._PLATFORMS))
    longest = max(len(name) for _, name in devices._BRANDS) + max(len(name) for _, name in devices._PLATFORMS)
    assert len(devices.describe(everything) or "") <= longest + len(" on ") <= 60
