"""A small set without videos that decode: what the rules ask of Python needs no more."""

from pathlib import Path

import pytest
import yaml

from pipeline.datasets import demo
from pipeline.workflow.params import JobParams
from pipeline.workflow.paths import InputFiles
from pipeline.workflow.resources import JobResources
from pipeline.workflow.sets import Sets

ROOT = Path(__file__).resolve().parents[2]


class Wildcards(dict):
    """Wildcards of a job, as Snakemake gives them: by attribute and by item."""

    __getattr__ = dict.__getitem__


class Rules:
    """What the rules ask, in a folder of its own; a new one is what Snakemake sees at its next
    start.
    """

    def __init__(self, folder: Path, config: dict):
        self.folder, self.config = folder, config
        self.mini = config["sets"]["mini"]
        self.start()

    def start(self) -> "Rules":
        """Begin anew, with nothing remembered but what lies in files."""
        self.sets = Sets(self.config)
        self.inputs = InputFiles(self.sets)
        self.params = JobParams(self.sets, self.inputs)
        self.resources = JobResources(self.sets, cores=8)
        return self

    def wildcards(self, **more: str) -> Wildcards:
        return Wildcards({"set": "mini", **more})


@pytest.fixture
def rules(tmp_path, monkeypatch) -> Rules:
    """A set 'mini' in UCF101's layout, 8 classes, 3 scenes of 2 clips, its videos files of text; 3
    shards.
    """
    monkeypatch.chdir(tmp_path)
    clip_set = demo.clip_set("mini", groups=3, clips=2)
    for clip in clip_set.clips.values():
        path = tmp_path / "videos" / clip.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the video {clip.id}")
    demo.write_lists(clip_set, tmp_path / "lists")
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["sets"]["mini"] = {
        "format": "ucf101",
        "videos": "videos",
        "lists": "lists",
        "shards": 3,
        "accept_damaged": [],
        "settings": {},
    }
    return Rules(tmp_path, config)
