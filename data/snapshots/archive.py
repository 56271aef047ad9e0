"""Snapshots under DVC: adds and pushes them, and removes them when a person in one has to be forgotten."""

from pathlib import Path

from dvc.repo import Repo
from dvc_data.hashfile.db import get_index


def add(repository: Path, folder: Path, remote: str | None) -> None:
    """`dvc add` a folder in the data repository, and push it if there is a remote.

    The first call creates the repository.
    """
    with _open(repository, remote) as repo:
        repo.add(str(folder))
        if remote is not None:
            repo.push(str(folder))


def forget(repository: Path, folder: Path, remote: str | None) -> int:
    """Remove the objects that only this folder uses from the remote and the cache, then the folder's pointer.

    Without a `remote` it is the one of the repository's own configuration. Returns the number of removed
    objects. The folder itself stays. `dvc gc` would also remove what others pushed to a shared remote. The
    list of the folder's objects is removed last, so that the next call can finish an interrupted one.
    """
    pointer = folder.with_name(f"{folder.name}.dvc")
    if not pointer.exists():
        return 0
    with _open(repository, remote) as repo:
        with repo.lock:
            others = [str(other) for other in folder.parent.glob("*.dvc") if other != pointer]
            names = _list_objects(repo, [str(pointer)]) - (_list_objects(repo, others) if others else set())
            stores = [repo.cache.local]
            if repo.config["core"].get("remote"):
                stores.insert(0, repo.cloud.get_remote_odb(command="erase"))
            removed = 0
            for store in stores:
                for name in sorted(names, key=lambda name: (name.endswith(".dir"), name)):
                    if store.exists(name):
                        store.delete(name)
                        removed += 1
                get_index(store).clear()  # DVC's list of what the store has
        pointer.unlink()
    return removed


def _open(repository: Path, remote: str | None) -> Repo:
    """The repository, made when it is missing, with this remote as its default one.

    The remote is written each time, since the repository may be that of a backup or of another machine, where
    the setting named another one. DVC itself takes addresses and keys of stores from the environment.
    """
    # Repo() alone would find the repository of the checkout if that is in a folder above.
    exists = (repository / ".dvc").is_dir()
    repo = Repo(str(repository)) if exists else Repo.init(str(repository), no_scm=True)
    if remote is not None:
        url = remote if "://" in remote else str(Path(remote).absolute())
        with repo.config.edit() as config:
            config["remote"] = {"default": {"url": url}}
            config["core"]["remote"] = "default"
    return repo


def _list_objects(repo: Repo, pointers: list[str]) -> set[str]:
    """The names of the objects that pointers use, with the lists of folders (`.dir`)."""
    used = repo.used_objs(pointers, force=True)
    return {item.value for objects in used.values() for item in objects if item.value}
