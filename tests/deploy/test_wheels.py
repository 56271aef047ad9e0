"""Wheels for ARM64: a package that the lock lacks is named."""

from deploy import wheels

CONSTRAINTS = (
    "a==1.0\nB==2.0\nc==3.0 ; python_full_version < '3.12'\nc==3.1 ; python_full_version >= '3.12'\n"
)


def test_what_the_lock_has_is_fine() -> None:
    assert wheels.unlocked(["a==1.0", "b==2.0", "c==3.1", "nvidia-nccl-cu13==2.29"], CONSTRAINTS) == []


def test_another_version_and_another_package_are_named() -> None:
    assert wheels.unlocked(["a==1.1", "b==2.0", "d==1.0"], CONSTRAINTS) == ["a==1.1", "d==1.0"]
