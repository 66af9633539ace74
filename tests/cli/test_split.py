"""The command `pipeline split` as a user meets it, and what it writes as the pipeline takes it."""

import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner
from workspace import ROOT, environment, jobs

from pipeline.cli.app import app
from pipeline.datasets import leaks
from pipeline.datasets.load import load_set, spans_classes

SHARED = Path(os.environ.get("PIPELINE_TEST_DATA", ROOT.parent / "shared" / "data"))
FILM = r"^(.+?)_(?:catch|clap|climb|jump|kick|pick|run|shoot|sit|stand|swing|throw|walk|wave)"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def split(videos, *options, code: int = 0):
    done = CliRunner().invoke(app, ["split", str(videos), "--out", "lists", *map(str, options)])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def config(name: str) -> dict:
    return yaml.safe_load(Path(f"lists/{name}.yaml").read_text())["sets"][name]


def planned(path: Path, target: str) -> dict[str, int]:
    """The jobs by rule of a dry run of the project's Snakefile on a config."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", ".", "--configfile", path]
    done = subprocess.run(
        [*map(str, command), "--", target],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return jobs(done.stdout)


def lay(*files: str) -> Path:
    for file in files:
        path = Path("videos") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return Path("videos")


PEOPLE = [f"{name}/{person}_{name}.avi" for name in ("run", "sit") for person in "abcdefghij"]


@pytest.mark.parametrize(
    "folder, options, clips, classes",
    [
        ("weizmann", ["--group", "^([a-z]+)_", "--preset", "gpu"], 70, 10),
        ("jhmdb14", ["--group", FILM, "--splits", "3"], 392, 14),
        ("ucf101_6class", [], 204, 6),
    ],
)
def test_genuine_clips_go_into_the_pipeline(folder, options, clips, classes):
    if not (SHARED / folder).is_dir():
        pytest.skip(f"there is no {SHARED / folder}")
    done = split(SHARED / folder / "videos", *options)
    assert f"set {folder}: {clips} clips, {classes} classes" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    path = Path(f"lists/{folder}.yaml").absolute()
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert checked.exit_code == 0 and checked.output.strip().endswith(folder)
    entry = config(folder)
    clip_set = load_set(folder, entry)
    assert len(clip_set.clips) == clips
    for number in clip_set.splits:
        assert not leaks.group_leaks(clip_set, number, spans_classes(entry)).groups
        test = len(clip_set.subset(number, "test"))
        assert 0.27 < test / clips < 0.33
        for side in ("train", "test"):
            assert len({clip.class_name for clip in clip_set.subset(number, side)}) == classes
    plan = planned(path, f"results/{folder}/split1/acc.json")
    assert plan["fuse"] == 1 and plan["co2fi"] == 2 and plan["flow"] <= 8 == entry["shards"]


def test_hard_names_go_into_the_pipeline():
    """Blanks, quotes, braces, both forms of Unicode, endings in capitals, sub folders."""
    hard = ["it's {a} 1.AVI", 'say "b" 2.mp4', "100% c;d|e 3.MKV", "back\\slash $HOME.avi"]
    accents = [unicodedata.normalize(form, f"café {form}.avi") for form in ("NFC", "NFD")]
    folders = ["Wave {hand}", "it's", unicodedata.normalize("NFD", "Größe 2"), "#1"]
    videos = lay(*(f"{folder}/{file}" for folder in folders for file in [*hard, *accents]))
    lay("it's/deep/z.avi", "#1/._a.avi", "#1/notes.txt")
    done = split(videos, "--name", "odd")
    assert "1 videos lie in folders below" in done.stderr and "1 .txt" in done.stderr
    clip_set = load_set("odd", config("odd"))
    assert len(clip_set.clips) == 24 and clip_set.classes == [
        "#1",
        "Größe 2",
        "Wave {hand}",
        "it's",
    ]
    path = Path("lists/odd.yaml").absolute()
    plan = planned(path, "results/odd/split1/acc.json")
    assert plan["fuse"] == 1 and plan["subset"] == 2


def test_people_are_on_one_side_over_all_classes():
    done = split(lay(*PEOPLE), "--group", "^([a-z])_", "--seed", 3)
    test = Path("lists/testlist01.txt").read_text().split()
    people = {file.split("/")[1][0] for file in test}
    assert len(test) == 6 and len(people) == 3
    assert "split1          14       6" in done.stdout and "10 groups" in done.stdout


def test_config_says_all_that_the_lists_need():
    split(lay(*PEOPLE), "--group", "^([a-z])_", "--name", "mine", "--preset", "cpu")
    entry = config("mine")
    preset = yaml.safe_load((ROOT / "workflow/presets/cpu.yaml").read_text())["all_sets"]
    assert entry == {
        "format": "ucf101",
        "videos": str(Path("videos").absolute()),
        "lists": str(Path("lists").absolute()),
        "group": "^([a-z])_",
        "counts": {"split1": [14, 6]},
        "shards": 8,
        "settings": preset,
    }


def test_what_is_printed_leads_to_the_run():
    done = split(lay(*PEOPLE), "--name", "mine", "--preset", "cpu")
    lines = done.stdout.splitlines()
    assert "first   pipeline weights fetch efficientnet-lite0" in lines
    command = " ".join(done.stdout.partition("next ")[2].replace("\\\n", " ").split())
    assert re.fullmatch(
        r"snakemake --cores \d+ --configfile lists/mine.yaml -- results/mine/split1/acc.json",
        command,
    )
    assert all(len(line) <= 80 for line in lines)


def test_the_same_seed_gives_the_same_lists():
    videos = lay(*PEOPLE)
    split(videos)
    before = {path.name: path.read_bytes() for path in Path("lists").iterdir()}
    shutil.rmtree("lists")
    split(videos)
    assert {path.name: path.read_bytes() for path in Path("lists").iterdir()} == before
    split(videos, "--seed", 2, "--force")
    assert Path("lists/testlist01.txt").read_bytes() != before["testlist01.txt"]


def test_nothing_is_overwritten_unasked():
    videos = lay(*PEOPLE)
    split(videos, "--splits", 2)
    before = Path("lists/testlist01.txt").read_bytes()
    refused = split(videos, "--seed", 2, "--splits", 2, code=1)
    assert "already; name another folder" in refused.stderr and "--force" in refused.stderr
    assert Path("lists/testlist01.txt").read_bytes() == before
    # Two lists would be left over, and read as a second split.
    stale = split(videos, "--force", code=1)
    assert "testlist02.txt, trainlist02.txt would be further splits" in stale.stderr
    assert Path("lists/testlist01.txt").read_bytes() == before


def test_clips_without_a_group_are_said():
    videos = lay(*PEOPLE, "run/12.avi", "sit/13.avi")
    done = split(videos, "--group", "^([a-z])_")
    assert "--group matches no part of 2 of 22 names (9%), such as '12'" in done.stderr
    alone = split(videos, "--force")
    assert "without --group each clip is a group of its own" in alone.stderr
    assert "may be in both train and test" in alone.stderr and "22 groups" in alone.stdout


def test_classes_of_one_group_are_trained_and_said():
    done = split(lay(*PEOPLE, "wave/a_1.avi", "wave/a_2.avi"), "--group", "^([a-z])_")
    assert "wave: one group each, so that split1 trains on it" in done.stderr
    assert "wave/" not in Path("lists/testlist01.txt").read_text()


@pytest.mark.parametrize(
    "files, options, words",
    [
        (PEOPLE, ["--group", "^[a-z]_"], "no bracket that picks the group"),
        (PEOPLE, ["--group", "(("], "--group: '\\(\\(' is no regular expression"),
        (PEOPLE, ["--group", "(zz)"], "picks nothing out of 20 names"),
        (PEOPLE, ["--group", "(_)"], "no clip can be tested: its clips are of 1 groups"),
        (PEOPLE, ["--test", "30"], "--test is 30; take a share"),
        (PEOPLE, ["--test", "nan"], "--test is nan; take a share"),
        (PEOPLE, ["--splits", "0"], "--splits is 0"),
        (PEOPLE, ["--preset", "gpus"], "--preset is 'gpus'.*did you mean 'gpu'"),
        (PEOPLE, ["--name", "demo"], "a set of config.yaml"),
        (PEOPLE, ["--name", "my set"], "names of sets are of ASCII"),
        (PEOPLE[:10], [], "there is one class, run"),
        (["a.avi", "b.avi"], [], "nothing says which class"),
    ],
)
def test_what_cannot_be_is_one_sentence(files, options, words):
    done = split(lay(*files), *options, code=1)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and re.search(words, line)
    assert not Path("lists").exists()
