"""Snapshots under DVC: added, pushed, and taken back when somebody in one has to be forgotten."""

from pathlib import Path

from dvc.repo import Repo
from dvc_data.hashfile.db import get_index


def add(repository: Path, folder: Path, remote: str | None) -> None:
    """`dvc add` a folder in the data repository (made at first use), and push it when there is a remote."""
    # Not what Repo finds by itself: above it may lie the checkout, whose experiment is in another one.
    is_there = (repository / ".dvc").is_dir()
    with Repo(str(repository)) if is_there else Repo.init(str(repository), no_scm=True) as repo:
        repo.add(str(folder))
        if remote is not None:
            with repo.config.edit() as config:
                config["remote"] = {"default": {"url": remote}}
                config["core"]["remote"] = "default"
            repo.push(str(folder))


def forget(repository: Path, folder: Path) -> int:
    """Remove what only this folder has from the repository's remote and cache, then its pointer; how many
    objects. The folder itself stays.

    Not `dvc gc`: in a remote that is shared it would remove what others have pushed. The list of the
    folder's objects goes last, so that a call that was cut off finds again what it had left.
    """
    pointer = folder.with_name(f"{folder.name}.dvc")
    if not pointer.exists():
        return 0
    with Repo(str(repository)) as repo:
        with repo.lock:
            others = [str(other) for other in folder.parent.glob("*.dvc") if other != pointer]
            gone = _objects(repo, [str(pointer)]) - (_objects(repo, others) if others else set())
            stores = [repo.cache.local]
            if repo.config["core"].get("remote"):
                stores.insert(0, repo.cloud.get_remote_odb(command="erase"))
            removed = 0
            for store in stores:
                for name in sorted(gone, key=lambda name: (name.endswith(".dir"), name)):
                    if store.exists(name):
                        store.delete(name)
                        removed += 1
                get_index(store).clear()  # what DVC believes to be there
        pointer.unlink()
    return removed


def _objects(repo: Repo, pointers: list[str]) -> set[str]:
    """Names of the objects that pointers lead to, lists of folders (`.dir`) included."""
    found = repo.used_objs(pointers, force=True)
    return {one.value for objects in found.values() for one in objects if one.value}
