"""What is found of a set before a run, and what a run of it takes."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from workspace import TINY

from pipeline.datasets import demo, render
from pipeline.errors import PipelineError
from pipeline.gpus import Gpus
from pipeline.video.encode import encode
from pipeline.workflow import set_check, trial
from pipeline.workflow.machine_check import ERROR, NOTE, OK, Finding
from pipeline.workflow.set_check import SetCheck
from pipeline.workflow.status import Target
from pipeline.workflow.trial import Clips

# Three scenes of a clip of each of eight classes.
CLIP_SET = demo.clip_set("mini", groups=3, clips=1)
FILES = [clip.file for clip in CLIP_SET.clips.values()]


class Project:
    """A folder with lists and a config of the set 'mini', and its videos, files of text."""

    def __init__(self, folder: Path):
        self.folder = folder
        demo.write_lists(CLIP_SET, folder / "lists")
        self.fill(folder / "videos")
        self.entry = {"format": "ucf101", "videos": "videos", "lists": "lists"}
        self.settings = yaml.safe_load(yaml.safe_dump(TINY))

    def fill(self, videos: Path) -> None:
        for file in FILES:
            path = videos / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"the video {file}")

    def check(self) -> SetCheck:
        config = {"sets": {"mini": self.entry | {"settings": self.settings}}}
        (self.folder / "mini.yaml").write_text(yaml.safe_dump(config))
        return SetCheck(Target(Path(), "mini", None), [Path("mini.yaml")])

    def found(self, *states: str) -> list[Finding]:
        """The findings that have one of some states."""
        return [found for found in self.check().findings() if found.state in states]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    """A project whose videos count as decoded: 30 frames each."""

    def decoded(videos, own):
        frames = {path: 30 for path, _ in videos}
        return Clips(frames, sizes={(80, 60)}, decoding=1e-4, pair=1e-3, frame_bytes=50,
                     field_bytes=100)  # fmt: skip

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trial, "of_clips", decoded)
    monkeypatch.setattr(set_check.gpus, "found", Gpus)
    return Project(tmp_path)


def test_a_good_set_has_no_errors_and_nothing_is_written(project):
    found = project.found(OK, NOTE, ERROR)
    assert [one.text for one in found] == [
        "lists: 24 clips of 8 classes, 3 splits; split1: 16 train, 8 test",
        "videos: 24 videos",
        "8 videos decoded: 30 frames of 80 x 60",
    ]
    assert sorted(os.listdir(project.folder)) == ["lists", "mini.yaml", "videos"]


def test_a_checkout_of_another_version_is_noted(project):
    """Its schema is another, though its config is sound here; workflows of others have one, too."""
    (project.folder / "workflow/schemas").mkdir(parents=True)
    (project.folder / "workflow/schemas/config.schema.yaml").write_text("type: object\n")
    assert project.found(NOTE, ERROR) == []
    (project.folder / "src/pipeline").mkdir(parents=True)
    (note,) = project.found(NOTE, ERROR)
    assert note.state == NOTE and f"{project.folder} is a checkout of another version" in note.text


def test_a_config_that_cannot_be_is_said_as_by_check(project):
    project.settings["netwrok"] = {}
    with pytest.raises(PipelineError, match="unknown key 'sets.mini.settings.netwrok'; did you"):
        project.check()


def test_settings_that_contradict_one_another_are_errors(project):
    project.settings["loss"] = {"alpha": [1.0]}
    (found,) = project.found(ERROR)
    assert "loss.alpha of set 'mini' has 1 weights for 3 granularities" in found.text


def test_a_folder_that_does_not_exist_is_an_error(project):
    shutil.rmtree(project.folder / "videos")
    (found,) = project.found(ERROR, NOTE)
    assert found.state == ERROR and "'mini' does not exist" in found.text


@pytest.mark.parametrize(
    "place, command",
    [
        ("UCF-101", "ln -s UCF-101 videos"),
        ("my data/UCF-101", "ln -s 'my data/UCF-101' videos"),
        ("videos/UCF-101", "mv videos/UCF-101/* videos/"),
        ("videos/UCF-101/UCF-101", "mv videos/UCF-101/UCF-101/* videos/"),
    ],
)
def test_the_command_that_brings_videos_to_their_place_does_so(project, place, command):
    shutil.rmtree(project.folder / "videos")
    project.fill(project.folder / place)
    error, note = project.found(ERROR, NOTE)
    assert error.state == ERROR and note.command == command
    assert os.system(command) == 0
    assert not project.found(ERROR)


def test_one_flat_folder_is_taken_as_it_is(project):
    for file in FILES:
        os.rename(project.folder / "videos" / file, project.folder / "videos" / Path(file).name)
    assert not project.found(ERROR)


def test_archives_have_the_commands_that_unpack_them(project):
    shutil.rmtree(project.folder / "videos")
    (project.folder / "videos").mkdir()
    for name in ("clap.rar", "catch.rar", "more clips.zip"):
        (project.folder / "videos" / name).touch()
    error, note = project.found(ERROR, NOTE)
    assert "24 of 24 clips of set 'mini' are missing" in error.text
    assert note.text == "videos holds catch.rar, clap.rar and 1 more"
    loop = 'for f in *.rar; do unrar x "$f"; done'
    assert note.command == f"cd videos && {loop} && unzip 'more clips.zip'"


def test_lists_that_are_packed_have_their_command(project):
    shutil.rmtree(project.folder / "lists")
    (project.folder / "splits.zip").touch()
    error, note = project.found(ERROR, NOTE)
    assert "there is no such class list" in error.text
    assert note.command == "cd . && unzip splits.zip"


def test_one_class_is_an_error_and_its_videos_are_still_looked_at(project):
    name = CLIP_SET.classes[0]
    (project.folder / "lists" / "classInd.txt").write_text(f"1 {name}\n")
    for path in (project.folder / "lists").glob("*list*.txt"):
        lines = [line for line in path.read_text().splitlines() if line.startswith(f"{name}/")]
        path.write_text("\n".join(lines) + "\n")
    check = project.check()
    found = list(check.findings())
    assert [one.state for one in found if "has one class" in one.text] == [ERROR]
    assert found[-1].text == "3 videos decoded: 30 frames of 80 x 60"
    assert not check.is_usable


def test_clips_that_cannot_be_used_are_errors_unless_they_are_skipped(project, monkeypatch):
    monkeypatch.setattr(trial, "of_clips", lambda *_: Clips(problems=["a.avi: no video"]))
    assert project.found(ERROR) == [Finding(ERROR, "a.avi: no video")]
    project.entry["on_bad_clip"] = "skip"
    assert Finding(NOTE, "a.avi: no video") in project.found(NOTE) and not project.found(ERROR)


def test_short_clips_are_noted(project):
    project.settings["stack"] = 30
    (note,) = project.found(NOTE)
    assert note.text.startswith("a stack has 30 flow fields, and some clips have fewer")


def test_groups_on_both_sides_are_errors_unless_they_are_accepted(project):
    project.entry["group"] = "^v_([A-Za-z]+)_"
    *told, more = project.found(ERROR)
    assert all("is in both train and test of split1" in one.text for one in told)
    # Of 8 classes and 3 splits the first five are told.
    assert len(told) == 5 and more.text == "19 more problems like these"
    project.entry["accept_leaks"] = True
    assert not project.found(ERROR)
    assert any("accepted by its accept_leaks" in one.text for one in project.found(NOTE))


def test_names_that_say_no_group_are_noted(project):
    project.entry["group"] = "(g01)"
    assert any("16 of 24 clips are groups of their own" in one.text for one in project.found(NOTE))


def test_a_folder_that_cannot_be_written_is_an_error(project, monkeypatch):
    monkeypatch.setattr(set_check.os, "access", lambda path, mode: False)
    (found,) = project.found(ERROR)
    assert f"{project.folder}: the folder cannot be written" in found.text


def test_weights_are_looked_for_until_networks_are_trained(project, monkeypatch):
    monkeypatch.setattr(set_check.preflight, "problem", lambda *words: f"none of {words}")
    project.settings["network"] |= {"weights": "imagenet", "width": 1.0}
    (found,) = project.found(ERROR)
    assert found.text.startswith("none of ('vgg16', 'imagenet', \"network.weights of set 'mini'")
    for stream in ("appearance", "motion"):
        (project.folder / "results/mini/split1" / stream).mkdir(parents=True)
        (project.folder / "results/mini/split1" / stream / "co2fi.pt").touch()
    assert not project.found(ERROR)


def test_a_file_of_weights_is_tried_on_its_network(project):
    import torch

    from pipeline.config.settings import for_set, overlay
    from pipeline.models import factory

    own = overlay(for_set(project.check().sets.config, "mini"), {})
    backbone = factory.stream_net(own, "appearance", 8).vgg
    layers = [layer for stage in backbone.convolutions() for layer in stage]
    from pipeline.models.backbones.vgg_weights import TORCHVISION

    names = [f"features.{index}" for stage in TORCHVISION for index in stage]
    state = {
        f"{name}.{part}": getattr(layer, part).detach()
        for name, layer in zip(names, layers, strict=True)
        for part in ("weight", "bias")
    }
    torch.save(state, project.folder / "mine.pt")
    project.settings["network"] |= {"weights": "mine.pt"}
    assert project.found(OK)[-1].text.startswith("mine.pt: the file of network.weights of set")
    del state["features.28.bias"]
    torch.save(state, project.folder / "mine.pt")
    (found,) = project.found(ERROR)
    assert "no bias of layer 'features.28'" in found.text


def test_scores_from_elsewhere_have_to_be_there(project):
    project.settings["idt"] |= {"scores": "mine_{split}.mat"}
    (found,) = project.found(ERROR)
    assert found.text.startswith("mine_split1.mat: there is no such file of scores")
    (project.folder / "mine_split1.mat").touch()
    assert not project.found(ERROR)


def needs_of(project) -> tuple[dict, list[Finding]]:
    check = project.check()
    assert list(check.findings()) and check.is_usable
    needs, findings = check.needs()
    return {need.stage: need for need in needs}, findings


def test_needs_follow_from_the_bytes_of_all_videos(project):
    project.settings["idt"] |= {"enabled": False}
    sizes = [os.path.getsize(project.folder / "videos" / file) for file in FILES]
    decoded = sorted(FILES)[::3]
    share = 30 * 8 / sum(os.path.getsize(project.folder / "videos" / file) for file in decoded)
    needs, (disk,) = needs_of(project)
    frames = sum(sizes) * share
    assert " ".join(needs) == "index frames flow teacher groups co2fi asyn scores"
    assert needs["frames"].to_write == pytest.approx(50 * frames)
    assert needs["flow"].to_write == pytest.approx(100 * (frames - 24))
    assert disk.state == OK and disk.text.startswith(f"{project.folder}: ")


def test_an_index_tells_the_frames(project):
    project.settings["idt"] |= {"enabled": False}
    columns = "clip,class,label,group,shard,path,sha256,frames,width,height"
    rows = [f"{clip},x,0,x,000,x.avi,ab,100,80,60" for clip in CLIP_SET.clips]
    (project.folder / "results/mini").mkdir(parents=True)
    (project.folder / "results/mini/index.csv").write_text("\n".join([columns, *rows]) + "\n")
    needs, _ = needs_of(project)
    assert needs["frames"].to_write == 50 * 2400


def test_a_disk_that_is_too_small_is_an_error(project, monkeypatch):
    needs, _ = needs_of(project)
    needed = sum(need.to_write for need in needs.values())
    for part, state in ((0.99, ERROR), (1.01, NOTE), (2.0, OK)):
        monkeypatch.setattr(
            set_check.machine, "free_bytes", lambda folder, part=part: part * needed
        )
        _, (disk,) = needs_of(project)
        assert disk.state == state and "will be written" in disk.text


def test_networks_that_take_weeks_on_processors_are_noted(project):
    project.settings["co2fi"] |= {"iterations": 10**9}
    _, (_, note) = needs_of(project)
    assert note.state == NOTE and "workflow/presets/cpu.yaml" in note.text


def test_a_gpu_without_memory_ends_no_doctor(project, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(trial, "of_networks", full)
    needs, (note,) = needs_of(project)
    assert not needs and note.state == NOTE and "no training step was timed" in note.text


def test_real_clips_are_decoded_and_timed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    for clip in CLIP_SET.clips.values():
        frames = render.render(clip.id, seed=1, frames=18)
        encode(tmp_path / "videos" / clip.file, frames, render.FPS)
    (tmp_path / "videos" / sorted(FILES)[0]).write_text("no video")
    check = project.check()
    found = list(check.findings())
    (error,) = [one for one in found if one.state == ERROR]
    assert "no frame can be decoded" in error.text
    assert found[-1].text == "7 videos decoded: 18 frames of 80 x 60"
    needs, _ = check.needs()
    assert [need.stage for need in needs][-1] == "idt" and all(need.seconds for need in needs)
