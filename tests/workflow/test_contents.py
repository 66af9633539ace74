"""Files are known by their content, and read no more often than they change."""

import os
import shutil

import pytest

from pipeline import files
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.workflow import contents
from pipeline.workflow.contents import Contents

VIDEOS = {"Run/a": "Run/a.avi", "Run/b": "Run/b.avi"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos/Run").mkdir(parents=True)
    for file in VIDEOS.values():
        (tmp_path / "videos" / file).write_text(f"content of {file}")
    return tmp_path


def identities(folder, videos="videos") -> dict[str, str]:
    return Contents(folder / "results").videos("mini", folder / videos, VIDEOS)


def examine(folder, videos="videos") -> None:
    """What the rule `examine` leaves: the digest of each clip as it was."""
    index = folder / "results/mini/index"
    index.mkdir(parents=True, exist_ok=True)
    rows = [f"{clip},{files.digest(folder / videos / file)}" for clip, file in VIDEOS.items()]
    (index / "000.csv").write_text("\n".join(["clip,sha256", *rows]) + "\n")


def test_videos_are_not_read_before_they_are_examined(folder, monkeypatch):
    monkeypatch.setattr(files, "digest", None)
    first = identities(folder)
    assert set(first) == set(VIDEOS) and len(set(first.values())) == 2
    assert identities(folder) == first


def test_a_touched_video_is_the_same_one(folder):
    first = identities(folder)
    examine(folder)
    os.utime(folder / "videos/Run/a.avi", (1, 1))
    assert identities(folder) == first


def test_a_touched_video_is_read_once(folder, monkeypatch):
    identities(folder)
    examine(folder)
    os.utime(folder / "videos/Run/a.avi", (1, 1))
    first = identities(folder)
    monkeypatch.setattr(files, "digest", None)
    assert identities(folder) == first


@pytest.mark.parametrize("way", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_a_folder_elsewhere_holds_the_same_videos(folder, way):
    first = identities(folder)
    examine(folder)
    way(folder / "videos", folder / "elsewhere")
    assert identities(folder, "elsewhere") == first


def test_a_changed_video_is_another_one(folder):
    first = identities(folder)
    examine(folder)
    (folder / "videos/Run/a.avi").write_text("another content")
    second = identities(folder)
    assert second["Run/a"] != first["Run/a"] and second["Run/b"] == first["Run/b"]


def test_a_changed_video_of_the_same_size_and_time_is_another_one(folder):
    path = folder / "videos/Run/a.avi"
    first = identities(folder)
    examine(folder)
    stat = path.stat()
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert identities(folder)["Run/a"] != first["Run/a"]


def test_what_is_kept_may_be_lost_or_broken(folder):
    first = identities(folder)
    (folder / "results/mini/.videos.json").write_text("{")
    assert identities(folder) == first


def test_jobs_of_a_cluster_trust_the_run_that_submitted_them(folder):
    """Other machines may see other times of the same files."""
    first = identities(folder)
    (folder / "videos/Run/a.avi").write_text("as another machine sees it")
    jobs = Contents(folder / "results", trusted=True)
    assert jobs.videos("mini", folder / "videos", VIDEOS) == first
    assert identities(folder) != first


def test_weights_are_known_by_content(folder):
    known, path = Contents(folder / "results"), folder / "vgg16.pth"
    path.write_text("weights")
    first = known.weights(str(path))
    os.utime(path, (1, 1))
    shutil.copy(path, folder / "renamed.pth")
    assert known.weights(str(path)) == known.weights(str(folder / "renamed.pth")) == first
    path.write_text("other weights")
    assert known.weights(str(path)) != first


def test_weights_that_are_gone_are_what_they_were(folder):
    path = folder / "vgg16.pth"
    path.write_text("weights")
    known = Contents(folder / "results").weights(str(path))
    path.unlink()
    assert Contents(folder / "results").weights(str(path)) == known


def test_missing_weights_are_named(folder):
    with pytest.raises(PipelineError, match="none.pth: there is no such weight file; correct"):
        Contents(folder / "results").weights("none.pth")


def test_damaged_files_of_identities_cost_a_reading_and_damaged_tables_are_named(tmp_path):
    """A digit of a digest that has changed would have everything made again."""
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    digest = Contents(tmp_path).digest(weights)
    path = tmp_path / ".files.json"
    path.write_text(path.read_text().replace(digest, "0" * 16))
    assert Contents(tmp_path).digest(weights) == digest
    index.write(tmp_path / "mini/index/000.csv", [{"clip": "a"}], index.EXAMINED)
    table = tmp_path / "mini/index/000.csv"
    table.write_bytes(table.read_bytes().replace(b"a,", b"\xff,"))
    known = Contents(tmp_path).videos("mini", tmp_path, {"a": "w.pt"})
    os.utime(weights, (1, 1))
    with pytest.raises(PipelineError, match="000.csv: it is not as it was written"):
        Contents(tmp_path).videos("mini", tmp_path, {"a": "w.pt"})
    assert len(known) == 1


def replace(path, content: str, age: float = 0) -> None:
    """Put another file in place of one, of the same size, `age` seconds newer than it."""
    stat = path.stat()
    new = path.with_suffix(".new")
    new.write_text(content[: stat.st_size].ljust(stat.st_size))
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns + int(age * 1e9)))
    os.replace(new, path)
    assert path.stat().st_size == stat.st_size


@pytest.mark.parametrize("age", [-1e9, -1e-9, 0, 1e9], ids=["old", "just older", "same", "future"])
@pytest.mark.parametrize("kind", ["video", "weights", "scores"])
def test_another_file_is_seen_whatever_its_time_stamp(folder, age, kind):
    """As tar, unrar, rsync -a, mv and cp -p leave it, and a clock that was set back."""
    path = folder / ("videos/Run/a.avi" if kind == "video" else "given.bin")
    path.write_text("the first content")

    def identity() -> str:
        if kind == "video":
            return identities(folder)["Run/a"]
        known = Contents(folder / "results")
        return known.weights(str(path)) if kind == "weights" else known.digest(path)

    first = identity()
    examine(folder)
    replace(path, "another content", age)
    second = identity()
    assert second != first and identity() == second
    # The first content again is another change, and then stays.
    replace(path, "the first content", age)
    assert identity() == identity()
    if kind != "video":
        assert identity() == first


def test_a_file_that_takes_the_place_of_another_is_seen_by_its_number(folder, monkeypatch):
    """Where a file system changes no time when a file is renamed."""
    path = folder / "videos/Run/a.avi"
    constant = ("st_mtime_ns", "st_ctime_ns")
    names = tuple(name for name in contents.STAT if name not in constant)
    monkeypatch.setattr(contents, "STAT", names)
    first = identities(folder)
    examine(folder)
    replace(path, "another content")
    assert identities(folder)["Run/a"] != first["Run/a"]


def linked(path) -> None:
    os.link(path, path.with_suffix(".link"))


def renamed_and_back(path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.with_suffix(".moved").rename(path)


def copied_over(path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)


def behind_a_link(path) -> None:
    path.rename(path.with_suffix(".target"))
    path.symlink_to(path.with_suffix(".target"))


@pytest.mark.parametrize(
    "change",
    [linked, renamed_and_back, copied_over, behind_a_link, lambda path: path.chmod(0o600)],
)
def test_what_changes_no_content_changes_no_identity(folder, change):
    path = folder / "videos/Run/a.avi"
    first, weights = identities(folder), Contents(folder / "results").digest(path)
    examine(folder)
    change(path)
    assert identities(folder) == first
    assert Contents(folder / "results").digest(path) == weights


def test_a_project_that_was_copied_holds_the_same(folder, tmp_path):
    first = identities(folder)
    examine(folder)
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    assert identities(tmp_path / "copy") == first


def test_a_link_to_another_video_is_another_video(folder):
    path = folder / "videos/Run/a.avi"
    behind_a_link(path)
    first = identities(folder)
    examine(folder)
    other = folder / "other.avi"
    shutil.copy(path, other)
    replace(other, "another content")
    path.unlink()
    path.symlink_to(other)
    assert identities(folder)["Run/a"] != first["Run/a"]


def test_a_video_that_cannot_be_read_is_left_to_its_examination(folder, monkeypatch):
    first = identities(folder)
    examine(folder)
    (folder / "videos/Run/a.avi").chmod(0)

    def refuses(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "digest", refuses)
    second = identities(folder)
    assert second["Run/a"] != first["Run/a"] and second["Run/b"] == first["Run/b"]
    (folder / "videos/Run/a.avi").unlink()
    assert identities(folder)["Run/b"] == first["Run/b"]
