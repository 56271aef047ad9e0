"""Prints the packages of some extras of pyproject.toml, for pip.

    python3 requirements.py train,flows < pyproject.toml

A build takes the packages of the one before, unless these lines or the lock have changed.
"""

import sys
import tomllib


def requirements_of(extras: str, text: str) -> list[str]:
    """The requirements of the project with these extras, sorted. KeyError for an extra that it has not."""
    project = tomllib.loads(text)["project"]
    optional = project["optional-dependencies"]
    return sorted(
        {*project["dependencies"], *(name for extra in extras.split(",") for name in optional[extra])}
    )


if __name__ == "__main__":
    print("\n".join(requirements_of(sys.argv[1], sys.stdin.read())))
