"""The sets of a config as the rules ask for them: entries, settings, clips, shards and runs.
Standard library only.
"""

import hashlib
import json
import sys
from functools import cache
from pathlib import Path

from pipeline.config import settings
from pipeline.config.check import check_run
from pipeline.config.runs import Run
from pipeline.datasets import assignment, leaks, shard_count
from pipeline.datasets.clips import Clip, ClipSet
from pipeline.datasets.load import load_set, skips_bad, spans_classes
from pipeline.datasets.videos import locate
from pipeline.errors import FEW, PipelineError, listed_in, nearest, require
from pipeline.streams import DIRECTIONS, STREAMS
from pipeline.workflow import handed, long_texts
from pipeline.workflow.contents import Contents
from pipeline.workflow.handed import Handed, Summary


class Sets:
    """Answers questions about the sets of `config`; whatever has to be read is read once.

    `is_job` says that a job of a cluster asks, not the run that submitted it; `source` names the
    config files in messages. Paths are relative to the folder that Snakemake runs in. Raises
    PipelineError for what the user has to mend.
    """

    folder = Path()

    def __init__(self, config: dict, is_job: bool = False, source: str = "config.yaml"):
        self.config, self.is_job, self.source = config, is_job, source
        # What was said on the terminal.
        self._notes: set[str] = set()
        self.contents = Contents(Path("results"), trusted=is_job)
        self.handed = Handed(self.folder / "results")
        for name in (
            "entry",
            "clip_set",
            "summary",
            "listings",
            "shard_count",
            "shards",
            "_key",
            "_assigned",
            "videos",
            "settings",
            "subset_shards",
            "video_ids",
        ):
            setattr(self, name, cache(getattr(self, name)))

    def entry(self, name: str) -> dict:
        """The entry of a set in the config without the settings that it overrides; the demo's with
        its seed. It accepts no damage where it does not say.
        """
        own_settings = settings.for_set(self.config, name)
        entry = {
            key: value for key, value in self.config["sets"][name].items() if key != "settings"
        }
        seed = {"seed": own_settings["seed"]} if self.is_demo(name) else {}
        return {"accept_damaged": []} | entry | seed

    def is_demo(self, name: str) -> bool:
        """Whether the videos of a set are rendered by a rule, and may not be there yet."""
        return self.config["sets"][name]["format"] == "demo"

    def demos(self) -> list[str]:
        return [name for name in self.config["sets"] if self.is_demo(name)]

    def clip_set(self, name: str) -> ClipSet:
        """The clips, classes and splits of a set, from its lists; its own settings fit them."""
        with listed_in(self._problems(name)):
            clip_set = load_set(name, self.entry(name))
            self._check_clips(clip_set)
        self._settings(name, None, clip_set.classes)
        return clip_set

    def shard_count(self, name: str) -> int:
        """How many shards a set has at most: as its entry says, or by its number of clips."""
        count = self.entry(name).get("shards")
        return count or shard_count.default(len(self.clip_set(name).clips))

    def summary(self, name: str) -> Summary:
        """What rules ask about the clips of a set; a job of a cluster is told it by its run."""
        told = self.handed.get(name, "summary", self._key(name)) if self.is_job else None
        if told:
            return Summary(**told)
        summary = Summary.of(self.clip_set(name), self._assigned(name))
        if not self.is_job:
            self.handed.put(name, "summary", self._key(name), summary.as_json())
        return summary

    def shards(self, name: str) -> dict[str, list[Clip]]:
        """The clips of a set by shard."""
        return self.clip_set(name).shards(self._assigned(name))

    def subset_shards(self, name: str, split: str, subset: str) -> list[str]:
        """The shards that hold clips of a split's 'train' or 'test'.

        Raises PipelineError where nothing can be told apart.
        """
        if len(self.summary(name).classes) < 2:
            raise PipelineError(
                f"set '{name}' has one class, and every answer would be right; add clips of "
                "another class to its lists (its index, frames and flow can be made as it is)"
            )
        return self.summary(name).held[self._split(name, split)][subset]

    def digest(self, name: str, split: str, subset: str) -> str:
        """The identity of the classes, clips and labels of a split's 'train' or 'test'."""
        return self.summary(name).digests[self._split(name, split)][subset]

    def count(self, name: str, split: str, subset: str) -> int:
        """The number of a split's 'train' or 'test' clips."""
        return self.summary(name).counts[self._split(name, split)][subset]

    def listings(self, name: str) -> dict[str, list[str]]:
        """By shard: what stands for its clips, their files and contents; and the file that lists
        them for their examination.
        """
        told = self.handed.get(name, "listings", self._key(name)) if self.is_job else None
        if told:
            return told
        # A clip without a video is among the bad ones, where such are skipped.
        files = self.videos(name)
        # A rendered set's videos are an input file, and may not be there yet.
        ids = {} if self.is_demo(name) else self.video_ids(name)
        listings = {}
        for shard, clips in self.shards(name).items():
            known = [[clip.id, files.get(clip.id), ids.get(clip.id)] for clip in clips]
            listed = [[clip.id, clip.file, files.get(clip.id)] for clip in clips]
            # There are as many as shards, and a seal of each would have the disk wait.
            path = long_texts.write(json.dumps(listed), name, sealed=False)
            listings[shard] = [_digest(known), path]
        if not self.is_job:
            self.handed.put(name, "listings", self._key(name), listings)
        return listings

    def videos(self, name: str) -> dict[str, str]:
        """The video file of each clip of a set, relative to the folder of its videos, by clip
        id.
        """
        clip_set, folder = self.clip_set(name), Path(self.entry(name)["videos"])
        if self.is_demo(name):
            return {clip.id: clip.file for clip in clip_set.clips.values()}
        with listed_in(self._problems(name)):
            paths, _ = locate(clip_set, folder, skips_bad(self.entry(name)))
        return {clip: path.removeprefix(f"{folder}/") for clip, path in paths.items()}

    def video_ids(self, name: str) -> dict[str, str]:
        """What stands for the content of each video of a set, by clip id; see `Contents.videos`."""
        return self.contents.videos(name, Path(self.entry(name)["videos"]), self.videos(name))

    def settings(self, name: str, run: Run | None) -> dict:
        """The settings of a set, or of one of its runs; granularities go to its number of
        classes.
        """
        return self._settings(name, run, self.summary(name).classes)

    def run_sources(self, run: Run) -> list[str]:
        """What is scored and fused in a run: streams, directions, or both."""
        streams = run.streams(self.config) == run
        return [*(STREAMS if streams else []), *(DIRECTIONS if run.fuses(self.config) else [])]

    def _split(self, name: str, split: str) -> str:
        """A split of a set; raises PipelineError where it has no such one."""
        if split not in self.summary(name).held:
            self.clip_set(name).subset(split, "train")
        return split

    def _assigned(self, name: str) -> dict[str, str]:
        """The shard of each group of a set."""
        folder = self.folder / "results" / name
        return assignment.of_set(
            self.clip_set(name), self.shard_count(name), folder, keeps=not self.is_job
        )

    def _key(self, name: str) -> str:
        """What stands for the lists of a set as they are now, and for its entry."""
        entry = self.entry(name)
        lists = None if self.is_demo(name) else self.folder / entry["lists"]
        return handed.key(entry, lists)

    def _problems(self, name: str) -> Path:
        """The file of all problems of a set, where a message tells some of them."""
        return Path("results") / name / "problems.txt"

    def _settings(self, name: str, run: Run | None, classes: list[str]) -> dict:
        own = check_run(self.config, name, run, len(classes), self.source)
        written = settings.for_set(self.config, name)["granularities"]
        if run is None and len(classes) > 1 and written != own["granularities"]:
            self._note(
                f"set '{name}' has {len(classes)} classes, so its granularities "
                f"{_listed(written)} are taken as {_listed(own['granularities'])}"
            )
        return own

    def _check_clips(self, clip_set: ClipSet) -> None:
        """Compare the entry of a set with its clips; say which groups leak, or are none.

        Raises PipelineError for leaks that it does not accept, and for damage that it accepts of
        clips that there are not.
        """
        entry = self.entry(clip_set.name)
        absent = [clip for clip in entry["accept_damaged"] if clip not in clip_set.clips]
        require(
            [
                f"{self.source}: accept_damaged of set '{clip_set.name}' has {clip}, but there is "
                "no such clip" + (nearest(clip, clip_set.clips) if number < FEW else "")
                for number, clip in enumerate(absent)
            ]
        )
        for sentence in leaks.check_groups(clip_set, entry, spans_classes(entry)):
            self._note(sentence)
        matched, count = leaks.matched(clip_set.clips.values()), len(clip_set.clips)
        if matched < count:
            pattern = "group" if "group" in entry else "the group of its format"
            self._note(
                f"set '{clip_set.name}': {pattern} matches {matched:,} of {count:,} file names; "
                "the others are groups of their own"
            )

    def _note(self, sentence: str) -> None:
        """Say something to the user, once; the jobs of a cluster leave it to the run that
        submitted them.
        """
        if sentence not in self._notes and not self.is_job:
            print(f"note: {sentence}", file=sys.stderr)
        self._notes.add(sentence)


def _digest(value) -> str:
    """16 hex digits that stand for a nested list, which may be long."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _listed(sizes: list[int]) -> str:
    return ", ".join(map(str, sizes))


def run_of(wildcards) -> Run | None:
    """The run that a job belongs to: a variant and a seed on a split; None for what all runs of a
    split share.
    """
    text = dict(wildcards.items()).get("run")
    return Run.parse(text) if text else None


def split_of(wildcards) -> str:
    """The split that a job belongs to."""
    run = run_of(wildcards)
    return run.split if run else wildcards.split
