"""The process of the inference service: `python -m serving.inference.app` becomes BentoML's server, on the
address and port of the settings.
"""

import os
import socket
import sys

from configs.settings import Settings

_SERVICE = "serving.inference.service:ToneBridge"


def command(settings: Settings) -> list[str]:
    """BentoML's command line. SystemExit when the host of the settings is a name without an address: BentoML
    takes addresses only.
    """
    try:
        resolved = socket.getaddrinfo(settings.host, settings.inference_port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SystemExit(f"TONEBRIDGE_HOST: {settings.host} has no address: {error.strerror}") from error
    address = str(resolved[0][4][0])
    port = str(settings.inference_port)
    return [sys.executable, "-m", "bentoml", "serve", _SERVICE, "--host", address, "--port", port]


def main() -> None:
    """Replace this process by BentoML's server, which handles signals itself."""
    arguments = command(Settings())
    os.execv(arguments[0], arguments)  # noqa: S606


if __name__ == "__main__":
    main()
