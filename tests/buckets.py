"""A real S3 server with a bucket: SeaweedFS, from pip."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.local import Process
from tests import ports
from tests.certificates import Certificate

BUCKET = "tonebridge"
_KEY = {"accessKey": "the-key", "secretKey": "the-secret-of-the-key"}
_ATTEMPTS = 300


@contextlib.contextmanager
def running(folder: Path, certificate: Certificate | None = None) -> Iterator[None]:
    """A server with an empty bucket, for the end of the block, with a certificate by HTTPS. Its address, the
    right keys and the authority are in the environment, as `AWS_*`.
    """
    folder.mkdir()
    users = folder / "users.json"
    users.write_text(
        json.dumps({"identities": [{"name": "tests", "credentials": [_KEY], "actions": ["Admin"]}]})
    )
    # It would listen at 10,000 above each port, where no port may be left, and send statistics to its makers.
    parts = ("master", "volume", "filer", "s3")
    numbers = {f"{part}.port{kind}": ports.free_port() for part in parts for kind in ("", ".grpc")}
    command = [
        str(Path(sys.executable).with_name("weed")), "server", f"-dir={folder}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={users}", "-master.telemetry=false",
        "-volume.max=20", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0",
        *(f"-{name}={number}" for name, number in numbers.items()),
    ]  # fmt: skip
    address = f"http://127.0.0.1:{numbers['s3.port']}"
    if certificate is not None:
        port = ports.free_port()
        command += [f"-s3.port.https={port}", f"-s3.cert.file={certificate.certificate}"]
        command += [f"-s3.key.file={certificate.key}"]
        address = f"https://localhost:{port}"
    server = Process("weed", command, {**os.environ, "HOME": str(folder)}, folder / "weed.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        if certificate is not None:
            patch.setenv("AWS_CA_BUNDLE", str(certificate.authority))
        patch.setenv("AWS_ACCESS_KEY_ID", _KEY["accessKey"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", _KEY["secretKey"])
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            _create_bucket(server)
            yield
        finally:
            server.stop(timeout_s=0.5)  # it would wait for its own connections


def list_keys() -> list[str]:
    """The names of all objects of the bucket."""
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def read(key: str) -> bytes:
    """An object of the bucket."""
    content: bytes = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def _create_bucket(server: Process) -> None:
    """Wait for the server, and create the bucket."""
    for _ in range(_ATTEMPTS):
        server.check()
        with contextlib.suppress(BotoCoreError, ClientError):
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            return
    raise TimeoutError(f"the server created no bucket; see {server.log}")
