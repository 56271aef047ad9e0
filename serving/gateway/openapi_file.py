"""Writes the API's description into a file, for the SDKs: `python -m serving.gateway.openapi_file`, or `make
openapi`.
"""

import json
import secrets
from pathlib import Path

from pydantic import SecretStr

from configs.settings import Settings
from serving.gateway.app import create_app

FILE = Path(__file__).parents[2] / "sdk" / "openapi.json"


def render() -> str:
    """The description as JSON with sorted keys; the same for the same code. Nothing is started."""
    # None of these is used: an application that is not started connects to nothing, and signs nothing.
    placeholder = SecretStr(secrets.token_urlsafe(32))
    settings = Settings(
        _env_file=None,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        receipt_secret=placeholder,
        session_secret=placeholder,
        service_token=placeholder,
    )
    document = create_app(settings).behind.openapi()
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the file."""
    FILE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
