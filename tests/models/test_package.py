from pathlib import Path

import models


def test_the_package_docstring_lists_every_file():
    folder = Path(models.__file__).parent
    listed = {line.split()[0] for line in models.__doc__.splitlines() if line.startswith("    ")}
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    folders = {f"{path.name}/" for path in folder.iterdir() if (path / "__init__.py").is_file()}
    assert listed == modules | folders
