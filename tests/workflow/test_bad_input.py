"""What a user gets for bad input: one clear sentence that names the file and what to do, and
nothing lost.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from workspace import FRAMES, RESULT, Workspace, environment, errors

from pipeline.datasets import index, render
from pipeline.video.encode import encode

CLIP = "SwayFew/v_SwayFew_g01_c01.avi"
INDEX = "results/mini/index.csv"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def workspace(pristine, tmp_path) -> Workspace:
    """A fresh workspace to spoil; nothing has run in it."""
    shutil.copytree(pristine.folder, tmp_path / "copy")
    return pristine.moved(tmp_path / "copy")


def refused(workspace: Workspace, *words: str, target: str = RESULT, dry: bool = True) -> list[str]:
    """Run Snakemake, which must end with sentences that hold all `words`; a dry run where the lists
    alone tell.
    """
    done = workspace.snakemake(*(["-n"] if dry else []), target=target)
    said = errors(done.stdout)
    assert done.returncode != 0 and said, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    for word in words:
        assert any(word in sentence for sentence in said), (word, said)
    return said


def frames_of(workspace: Workspace, clip: str) -> int:
    """How many frames the index counts in a clip."""
    rows = index.read(workspace.folder / INDEX)
    return next(row["frames"] for row in rows if row["path"].endswith(clip))


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")


def test_missing_folder(workspace):
    shutil.rmtree(workspace.folder / "videos")
    assert (
        len(
            refused(
                workspace,
                "videos: the video folder of set 'mini' does not exist; put the videos there",
            )
        )
        == 1
    )


def test_empty_folder(workspace):
    shutil.rmtree(workspace.folder / "videos")
    (workspace.folder / "videos").mkdir()
    assert (
        len(
            refused(
                workspace,
                "videos: the video folder of set 'mini' holds no videos; put the videos there",
            )
        )
        == 1
    )


def test_missing_lists(workspace):
    shutil.rmtree(workspace.folder / "lists")
    assert len(refused(workspace, "lists/classInd.txt: there is no such class list; put")) == 1


def test_missing_clips_are_all_named(workspace):
    for clip in (CLIP, "RiseMatched/v_RiseMatched_g02_c02.avi"):
        (workspace.folder / "videos" / clip).unlink()
    said = refused(
        workspace,
        "videos: 2 of 48 clips of set 'mini' are missing: RiseMatched/v_RiseMatched_g02_c02.avi, "
        f"{CLIP}; add them, or remove them",
    )
    assert len(said) == 1


def test_clip_in_train_and_test(workspace):
    append(workspace.folder / "lists/testlist01.txt", "SwayFew/v_SwayFew_g02_c01.avi")
    said = refused(
        workspace,
        "clip 'SwayFew/v_SwayFew_g02_c01.avi' is in both train and test of split1; remove it",
    )
    assert all("lists" in sentence for sentence in said)


def test_group_in_train_and_test(workspace):
    path = workspace.folder / "lists/trainlist01.txt"
    path.write_text(path.read_text().replace("SwayFew/v_SwayFew_g02_c01.avi 5\n", ""))
    append(workspace.folder / "lists/testlist01.txt", "SwayFew/v_SwayFew_g02_c01.avi")
    said = refused(
        workspace,
        "lists: group 'SwayFew/g02' is in both train and test of split1",
        "near-duplicates",
    )
    assert len(said) == 1


def test_unknown_class(workspace):
    append(workspace.folder / "lists/trainlist01.txt", "Swimming/v_Swimming_g01_c01.avi")
    said = refused(
        workspace,
        "is of class 'Swimming', which the class list does not have; correct the line or add",
    )
    assert len(said) == 1


def test_typo_in_the_config(workspace):
    workspace.settings["teacher"]["iteration"] = 5
    said = refused(
        workspace,
        "mini.yaml: unknown key 'sets.mini.settings.teacher.iteration'; did you mean 'iterations'?",
    )
    assert len(said) == 1


def test_wrong_value_in_the_config(workspace):
    workspace.settings["co2fi"]["lr"] = "fast"
    assert len(refused(workspace, "'sets.mini.settings.co2fi.lr' is \"fast\"", "number")) == 1


def test_a_target_that_nothing_makes_has_a_nearest(workspace):
    said = refused(
        workspace,
        "results/mini/split1/acc.jsn: nothing makes this file; did you mean "
        "results/mini/split1/acc.json?",
        target="results/mini/split1/acc.jsn",
    )
    assert len(said) == 1


def test_targets_and_text_are_no_config_files(workspace):
    """Snakemake reads these before the Snakefile, and says no line."""
    (workspace.folder / "bad.yaml").write_text("seed: 1\nsets: [\n")
    for arguments, expected in (
        ([RESULT], f"{RESULT} is a target, but all that follows --configfile is taken for"),
        (["--configfile", "bad.yaml", "--", RESULT], "bad.yaml:3: not YAML"),
    ):
        done = subprocess.run(
            workspace.command(*arguments),
            cwd=workspace.folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1 and "Traceback" not in done.stderr
        (said,) = errors(done.stderr)
        assert said.startswith(expected)


def test_unknown_set_and_split(workspace):
    assert (
        len(
            refused(
                workspace,
                "there is no set 'minni'",
                "did you mean 'mini'?",
                target="results/minni/split1/acc.json",
            )
        )
        == 1
    )
    assert (
        len(
            refused(
                workspace,
                "set 'mini' has no split 'split7'; it has split1, split2, split3",
                target="results/mini/split7/acc.json",
            )
        )
        == 1
    )


def test_broken_videos_are_all_named_before_anything_long(workspace):
    """A truncated clip, an empty one, text named .avi and a clip of one frame, in different
    shards.
    """
    videos = workspace.folder / "videos"
    truncated, empty, text, single = sorted(videos.glob("*/*_g0[12]_c01.avi"))[:16:4]
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    empty.write_bytes(b"")
    text.write_text("this is not a video\n" * 50)
    encode(single, render.render(f"{single.parent.name}/{single.stem}", 1, 1), render.FPS)
    said = refused(
        workspace,
        f"{truncated.name}: the file is cut short",
        f"{empty.name}: the file is empty (0 bytes)",
        f"{text.name}: no frame can be decoded",
        f"{single.name}: the clip has one frame",
        dry=False,
    )
    assert len(said) == 4 and all("; replace" in sentence for sentence in said)
    assert not list(workspace.folder.glob("results/mini/flow/*")), (
        "flow started before the clips were checked"
    )
    assert not (workspace.folder / INDEX).exists()


def test_accepted_damage_is_used_and_a_mended_clip_goes_on(workspace):
    path = workspace.folder / "videos" / CLIP
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.9)])
    refused(workspace, "the file is cut short", target=INDEX, dry=False)
    workspace.config["sets"]["mini"]["accept_damaged"] = [CLIP.removesuffix(".avi")]
    workspace.make(INDEX)
    assert 2 <= frames_of(workspace, CLIP) < FRAMES
    workspace.config["sets"]["mini"]["accept_damaged"] = []
    path.write_bytes(whole)
    workspace.make(INDEX)
    assert frames_of(workspace, CLIP) == FRAMES


def test_extra_videos_are_named_and_left_out(workspace):
    shutil.copy(
        workspace.folder / "videos" / CLIP,
        workspace.folder / "videos/SwayFew/v_SwayFew_g09_c09.avi",
    )
    printed = workspace.make(INDEX)
    assert (
        "note: videos/SwayFew/v_SwayFew_g09_c09.avi is in no split list and is not used" in printed
    )
    assert b"g09" not in workspace.read(INDEX)


def test_awkward_names_never_reach_a_shell(workspace):
    """A class folder and a clip whose names a shell, ffmpeg or HDF5 would take apart."""
    old, new = (
        "SwayFew/v_SwayFew_g01_c01.avi",
        "SwayFew/-v $(touch pwned) 100%;`id`'\"&[!#]+~@:é_g01_c01.avi",
    )
    (workspace.folder / "videos" / old).rename(workspace.folder / "videos" / new)
    for path in (workspace.folder / "lists").glob("t*list*.txt"):
        path.write_text(path.read_text().replace(old, new))
    workspace.make(INDEX)
    for number in range(3):
        workspace.make(f"results/mini/frames/{number:03d}.h5")
    assert not list(workspace.folder.rglob("pwned"))
    assert new.removesuffix(".avi").encode() in workspace.read(INDEX).replace(b'""', b'"')
