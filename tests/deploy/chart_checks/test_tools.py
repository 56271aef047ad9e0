"""The programs that check the chart: another Helm or kubectl than the one that was looked at is refused."""

import io
import tarfile
import zipfile

import pytest

from deploy.chart_checks.tools import program_of
from deploy.engine import CommandFailedError


def zipped(name: str, content: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(name, content)
    return output.getvalue()


@pytest.mark.parametrize("program", ["helm", "kubectl"])
def test_another_program_is_refused(program: str) -> None:
    layer = zipped(f"{program}/{program}", b"another program")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/lib/layer.zip")
        entry.size = len(layer)
        archive.addfile(entry, io.BytesIO(layer))
    wheel = zipped("aws_cdk/lambda_layer/_jsii/lambda-layer@2.0.0.jsii.tgz", packed.getvalue())
    with pytest.raises(CommandFailedError, match="do not use it"):
        program_of(program, wheel)
