"""The committed description of the API, from which the SDKs are made."""

from serving.gateway import openapi_file


def test_the_file_describes_this_gateway() -> None:
    assert openapi_file.FILE.read_text(encoding="utf-8") == openapi_file.render(), (
        "the API has changed: `make openapi` renews the file, and `make sdk` the types that are made from it"
    )
