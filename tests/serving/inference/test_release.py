import pytest

from configs.settings import Settings
from serving.inference import release
from serving.inference.client import VersionUnknown


@pytest.fixture
def settings(tmp_path):
    return Settings(state=tmp_path / "state")


@pytest.fixture
def version(tmp_path):
    def write(name, content):
        folder = tmp_path / name
        (folder / "ctranslate2").mkdir(parents=True)
        (folder / "ctranslate2" / "model.bin").write_text(content)
        (folder / "version.json").write_text("{}")
        return folder

    return write


def test_an_empty_store_lists_nothing_and_finds_nothing(settings):
    assert release.published(settings) == []
    with pytest.raises(VersionUnknown, match="published: none"):
        release.find("v1", settings)


def test_what_is_published_is_listed_oldest_first_and_found(settings, version):
    for name in ("v2", "v10", "v1"):
        assert release.publish(version(name, name), name, settings) == f"tonebridge:{name}"
    assert release.published(settings) == ["v2", "v10", "v1"]
    assert (release.find("v10", settings) / "ctranslate2" / "model.bin").read_text() == "v10"


@pytest.mark.parametrize("name", ["v", "latest", "v1-", "../v10", ""])
def test_only_the_exact_name_is_found(settings, version, name):
    release.publish(version("v10", "x"), "v10", settings)
    with pytest.raises(VersionUnknown) as caught:
        release.find(name, settings)
    assert caught.value.published == ["v10"]


def test_the_same_content_again_changes_nothing(settings, version):
    release.publish(version("a", "same"), "v1", settings)
    before = (release.find("v1", settings) / "model.yaml").read_text()
    release.publish(version("b", "same"), "v1", settings)
    assert (release.find("v1", settings) / "model.yaml").read_text() == before


def test_what_an_evaluation_adds_to_a_version_is_no_content(settings, version):
    folder = version("a", "same")
    (folder / "rewrites.json").write_text("{}")
    release.publish(folder, "v1", settings)
    assert not (release.find("v1", settings) / "rewrites.json").exists()
    (folder / "rewrites.json").write_text('{"key": "a rewrite of another draw of cases"}')
    release.publish(folder, "v1", settings)


def test_other_content_under_the_same_name_is_refused(settings, version):
    release.publish(version("a", "one"), "v1", settings)
    with pytest.raises(ValueError, match="immutable"):
        release.publish(version("b", "two"), "v1", settings)
    assert (release.find("v1", settings) / "ctranslate2" / "model.bin").read_text() == "one"


def test_a_publication_that_was_cut_off_leaves_no_version(settings, version, monkeypatch):
    def cut_off(source, target):
        raise KeyboardInterrupt

    folder = version("a", "one")
    with monkeypatch.context() as patched:
        patched.setattr(release, "_link", cut_off)
        with pytest.raises(KeyboardInterrupt):
            release.publish(folder, "v1", settings)
    assert release.published(settings) == []
    release.publish(folder, "v1", settings)
    assert release.published(settings) == ["v1"]


def test_no_second_copy_where_links_work(settings, version):
    folder = version("a", "one")
    release.publish(folder, "v1", settings)
    assert (folder / "ctranslate2" / "model.bin").stat().st_nlink == 2


def test_a_folder_that_is_no_version_is_refused(settings, tmp_path):
    with pytest.raises(ValueError, match=r"no version\.json"):
        release.publish(tmp_path, "v1", settings)


def test_what_is_withdrawn_is_gone_and_others_stay(settings, version):
    for name in ("v1", "v10"):
        release.publish(version(name, name), name, settings)
    release.withdraw("v1", settings)
    release.withdraw("v1", settings)
    assert release.published(settings) == ["v10"]
    stored = [path for path in settings.model_store.rglob("*") if path.is_file()]
    assert not [path for path in stored if path.read_bytes() == b"v1"]
