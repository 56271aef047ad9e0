"""The device that a person signs in on, as coarsely as helps them to recognise it: brand and platform."""

# The first name whose mark is in a header counts: browsers also name those that they want to be taken for.
_BRANDS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_PLATFORMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def describe(user_agent: str) -> str | None:
    """The browser and the platform of a header `User-Agent`, such as "Firefox on Linux"; None when it names
    neither. No other word of the header is in it.
    """
    names = (
        next((name for mark, name in known if mark in user_agent), None) for known in (_BRANDS, _PLATFORMS)
    )
    return " on ".join(name for name in names if name) or None
