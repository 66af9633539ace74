"""Commands and Python of README.md and docs/, as they stand there, in a checkout with a small demo.

Programs that fetch and unpack data sets are stand-ins, which lay clips of the demo out as the
archives hold them. What needs data or hours is planned by Snakemake.
"""

import copy
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import workspace
import yaml
from config_cases import CONFIG
from doc_blocks import COMMANDS, PAGES, PLAN, PYTHON, RUN, TREATMENT, blocks, commands, is_planned
from safetensors.numpy import save_file
from typer.main import get_command

from pipeline.cli.app import app
from pipeline.config.settings import overlay

ROOT = workspace.ROOT
DEMO = {"groups": 3, "clips": 2, "frames": workspace.FRAMES}
# The first words of commands that fetch and unpack data sets.
UNPACKING = ("wget", "unrar", "unzip", "mkdir", "for")
# Configs of clips that the project does not hold.
GENUINE = {"tests/configs/weizmann.yaml", "tests/configs/ucf101_6class.yaml"}
# What stands in for `wget -P FOLDER URL..`: files without content, by the names of the addresses.
WGET = """
import pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index("-P") + 1])
folder.mkdir(parents=True, exist_ok=True)
for url in (word for word in sys.argv if "://" in word):
    (folder / url.rpartition("/")[2]).touch()
"""
# What stands in for `unrar x ARCHIVE FOLDER/` and `unzip ARCHIVE -d FOLDER`.
UNPACK = """
import pathlib, shutil, sys
words = [word for word in sys.argv[1:] if word not in ("x", "-d")]
archive, folder = pathlib.Path(words[0]), pathlib.Path(words[1])
assert archive.is_file() and folder.is_dir(), words
held = pathlib.Path("archives") / archive.stem
shutil.copytree(held, folder, dirs_exist_ok=True)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A checkout whose sets are small, with the result of the demo."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    folder.mkdir()
    for name in ("Snakefile", "Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    # Read only; what numba has compiled is used again.
    for name in ("workflow", "src", "profiles", "envs", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config.yaml").write_text(yaml.safe_dump(small_config()))
    stand_ins(folder)
    run("make demo", folder)
    demo = folder / "results/demo"
    for name in ("RiseMatched", "SwayFew"):
        shutil.copytree(demo / "videos" / name, folder / "videos" / name)
    shutil.copy(demo / "videos/RiseMatched/v_RiseMatched_g01_c01.avi", folder / "clip.avi")
    archives(folder, demo)
    # What `pipeline weights fetch` would bring.
    (folder / "weights").mkdir()
    save_file({"x": np.zeros(1, np.float32)}, folder / "weights/efficientnet-lite0.safetensors")
    # The set of the pages whose files the demo has not: those of trajectories.
    run("snakemake --cores 2 results/mine/split1/idt/scores.h5", folder)
    return folder


def small_config() -> dict:
    """The project's config: all sets with tiny networks, the demo of few clips."""
    config = overlay(copy.deepcopy(CONFIG), workspace.TINY)
    sets = config["sets"]
    sets["demo"] |= DEMO
    sets["demo"]["settings"] = {"asyn": {"joint": False}, "idt": {"enabled": False}}
    for name in ("ucf101", "hmdb51"):
        sets[name] |= {"counts": {f"split{number}": [32, 16] for number in (1, 2, 3)}, "shards": 1}
    demo = sets["demo"]
    sets["mine"] = {key: demo[key] for key in ("videos", "lists")} | {
        "format": "ucf101",
        "shards": 1,
    }
    return config


def stand_ins(folder: Path) -> None:
    """An environment that is set up, and programs in place of wget, unrar and unzip."""
    venv = folder / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    (venv / "installed").touch()
    for name, code in (("wget", WGET), ("unrar", UNPACK), ("unzip", UNPACK)):
        path = folder / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def archives(folder: Path, demo: Path) -> None:
    """What the archives of UCF101 and HMDB51 hold, but for the clips."""
    held = folder / "archives"
    shutil.copytree(demo / "videos", held / "UCF101/UCF-101")
    shutil.copytree(demo / "lists", held / "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist")
    lists = held / "test_train_splits/testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    (held / "hmdb51_org").mkdir()
    for videos in sorted((demo / "videos").iterdir()):
        name = videos.name
        (held / f"hmdb51_org/{name}.rar").touch()
        inner = held / name / name
        inner.mkdir(parents=True)
        lines = {number: [] for number in (1, 2, 3)}
        for path in sorted(videos.iterdir()):
            group, clip = re.search(r"_g(\d+)_c(\d+)", path.stem).groups()
            file = f"Film{group}_{name}_f_cm_np1_fr_med_{int(clip)}.avi"
            shutil.copy(path, inner / file)
            for number, found in lines.items():
                found.append(f"{file} {2 if int(group) == number else 1} \n")
        for number, found in lines.items():
            (lists / f"{name}_test_split{number}.txt").write_text("".join(found))


def run(command: str, folder: Path) -> str:
    """Run a command by bash as a user does; returns what it printed."""
    environment = workspace.environment()
    environment["PATH"] = f"{folder / 'programs'}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def treated(treatment: str, language: str) -> list[str]:
    """The pages with blocks of a language that are treated so."""
    found = [page for page in PAGES if TREATMENT.get(page.name, {}).get(language) == treatment]
    return [page.name for page in found]


def page_commands(name: str) -> list[str]:
    (page,) = [page for page in PAGES if page.name == name]
    return [command for block in blocks(page, COMMANDS) for command in commands(block)]


@pytest.mark.parametrize("page", treated(RUN, COMMANDS))
def test_commands_run(project, page):
    """In the order of the page; dry runs of what is there find nothing to be done."""
    write_config_of(page, project)
    # Archives are not unpacked twice.
    shutil.rmtree(project / "data", ignore_errors=True)
    for command in page_commands(page):
        if not is_planned(command):
            said = run(command, project)
            if command.startswith("snakemake -n") and "mine.yaml" not in command:
                assert "Nothing to be done" in said or "ucf101" in command, said


def write_config_of(page: str, folder: Path) -> None:
    """Write the config of the page's block of YAML as mine.yaml, which its commands name."""
    texts = [block.text for block in blocks(page, "yaml")] if page != "README.md" else []
    if any("mine.yaml" in command for command in page_commands(page)):
        (folder / "mine.yaml").write_text(texts[0])


def unpack(page: str, folder: Path) -> None:
    """Lay the data sets of a page out anew, by its own commands."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    for command in page_commands(page):
        if command.split()[0] in UNPACKING:
            run(command, folder)


def test_archives_are_unpacked_to_where_the_config_looks(project):
    """By the commands of the pages; the names of the archives are those of the addresses."""
    for page in ("README.md", "ucf101.md"):
        unpack(page, project)
        for name in ("ucf101",) if page == "README.md" else ("ucf101", "hmdb51"):
            entry = CONFIG["sets"][name]
            assert len(list((project / entry["videos"]).glob("*/*.avi"))) == 48
            assert list((project / entry["lists"]).glob("*.txt"))


def test_another_way_of_scoring_trains_nothing(project):
    """As what-reruns-when.md says of its last command."""
    write_config_of("what-reruns-when.md", project)
    said = run(page_commands("what-reruns-when.md")[-1], project)
    assert set(workspace.jobs(said)) - {"all"} == {"scores", "fuse"}


def planned_commands() -> dict[tuple, list[str]]:
    """The commands of Snakemake that are only planned, those with the same options together."""
    found: dict[tuple, list[str]] = {}
    for name in [*treated(RUN, COMMANDS), *treated(PLAN, COMMANDS)]:
        for command in page_commands(name):
            if command.startswith("snakemake") and (
                is_planned(command) or name in treated(PLAN, COMMANDS)
            ):
                words = shlex.split(command.replace("split{1,2,3}", "split1"))[1:]
                targets = [word for word in words if word.startswith("results/")]
                options = [
                    word for word in words if word not in targets and word not in ("--", "-n")
                ]
                page = name if "mine.yaml" in options else ""
                found.setdefault((page, *options), []).extend(targets)
    return found


@pytest.mark.parametrize("options", planned_commands(), ids=lambda options: " ".join(options))
def test_targets_that_need_data_or_hours_are_planned(project, options, request):
    page, *words = options
    if any(word in GENUINE for word in words):
        lay_genuine_clips(project, request.getfixturevalue("shared"))
    if page:
        write_config_of(page, project)
    if not (project / "data/hmdb51").is_dir():
        unpack("ucf101.md", project)
    targets = planned_commands()[options]
    said = run(shlex.join(["snakemake", "-n", *words, "--", *targets]), project)
    assert "Job stats:" in said or "Nothing to be done" in said


def lay_genuine_clips(project: Path, material: Path) -> None:
    """Let the configs of genuine clips find them where they look: beside the checkout."""
    link = project.parent / "shared/data"
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(material)


def test_options_of_all_commands_are_known():
    """Of the subcommands of `pipeline`, also where tests do not run them."""
    every = [
        command for page in PAGES for block in blocks(page, COMMANDS) for command in commands(block)
    ]
    every += [command for page in PAGES for command in in_sentences(page)]
    found = [shlex.split(command) for command in every if command.startswith("pipeline ")]
    assert len(found) > 50
    for words in found:
        known = options_of(words[1:])
        used = {word.partition("=")[0] for word in words if re.match("--[a-z]", word)}
        assert used <= known, words


def test_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for command in in_sentences(page):
            if command.startswith("make "):
                assert re.search(rf"^{command.split()[1]}:", makefile, re.M), command


def in_sentences(page: Path) -> list[str]:
    """Code between backticks outside of blocks."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.M | re.S)
    return re.findall(r"`([^`]+)`", text)


def options_of(words: list[str]) -> set[str]:
    """The options of a subcommand of `pipeline`; a subcommand that there is not is an error."""
    command = get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        command, *words = command.commands[words[0]], *words[1:]
    return {option for param in command.params for option in param.opts} | {"--help"}


@pytest.mark.parametrize("page", treated(RUN, PYTHON))
def test_python_runs(project, page):
    """Each block in a process of its own: imports register filters of HDF5 for a whole process."""
    for block in blocks(page, PYTHON):
        run(shlex.join([sys.executable, "-c", block.text]), project)


def test_python_reads_what_the_files_hold(project):
    """The values that the blocks of files.md give to their names."""
    values = "\n".join(block.text for block in blocks("files.md", PYTHON))
    checks = """
        assert 0 <= headline <= 1 and set(by_class) == set(classes) and len(confusion) == 8
        assert accuracy == result["accuracy"]["motion"] and len(table) == len(logits) == 16
        assert frames.shape == (10, 60, 80, 3) and video == "v_RiseMatched_g02_c01.avi"
        assert bound == 5 and u.shape == v.shape == (60, 80) and abs(u).max() <= 5
        assert len(coarse) == 5 and set(coarse) <= set(classes) and features.ndim == 2
        assert sample.shape[1] == 436 and vector.ndim == 1 and best in classes
        assert about["stream"] == "motion" and len(weights)
    """
    run(shlex.join([sys.executable, "-c", values + textwrap.dedent(checks)]), project)
