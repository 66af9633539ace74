"""Whether a set can run on this machine, asked in seconds, and about how long it takes.

Nothing is written and no lock is taken, so that this can be asked beside a living run. What
computes is imported only where a set needs it.
"""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from shlex import quote

from pipeline import gpus
from pipeline.compute import machine
from pipeline.config import settings
from pipeline.config.runs import Run
from pipeline.datasets import index, layouts, leaks, videos
from pipeline.datasets.clips import TEST, TRAIN, ClipSet
from pipeline.datasets.load import skips_bad, spans_classes
from pipeline.errors import MachineError, PipelineError, listed
from pipeline.workflow import needs, preflight, status, trial
from pipeline.workflow.machine_check import ERROR, NOTE, OK, Finding, size_text
from pipeline.workflow.needs import Hands, Need, Size
from pipeline.workflow.stages import STAGES
from pipeline.workflow.status import SetsToLookAt, Target

# Videos that are decoded, evenly spread over all.
SAMPLE = 8
# Clips that are looked for in a folder that may hold the videos.
LOOKED_FOR = 20
# The part of the free disk from which on little would be left.
NEARLY = 0.9
# Seconds of a run on processors from which on smaller networks are proposed: a week.
LONG = 7 * 86400


class SetCheck:
    """Looks at a set: `findings` first, then `needs`, which rest on what these have found."""

    def __init__(self, target: Target, configs: Iterable[Path] = ()):
        """`configs` are as those of `status.read`. Raises PipelineError as it does."""
        self.target, self.configs, self.name = target, list(configs), target.set
        config = status.read_config(target, self.configs)
        self.sets = SetsToLookAt(config, target.folder)
        self.entry = self.sets.entry(self.name)
        self.folder = target.folder / self.entry["videos"]
        self.results = target.folder / "results"
        self.clip_set: ClipSet | None = None
        self.paths: dict[str, str] = {}
        self.sample: trial.Clips | None = None
        self.settings = settings.for_set(config, self.name)

    def findings(self) -> Iterator[Finding]:
        """Yield what is found of the set; lists that cannot be read end it."""
        worker = status.worker_in(self.target.folder)
        if worker.state in ("working", "stopping"):
            yield Finding(NOTE, f"process {worker.process} works here since {worker.since}")
        if note := status.note_of_version(self.target.folder):
            yield Finding(NOTE, note)
        yield from self._results()
        try:
            self.clip_set = self.sets.clip_set(self.name)
            self.settings = self.sets.settings(self.name, None)
        except PipelineError as error:
            yield from _errors(error)
            yield from self._archives(self.target.folder / self.entry["lists"])
            return
        yield from self._lists()
        yield from self._videos()
        yield from self._weights()
        yield from self._given_scores()

    def _results(self) -> Iterator[Finding]:
        folder = _existing(self.results / self.name)
        if not os.access(folder, os.W_OK):
            yield Finding(
                ERROR,
                f"{folder.absolute()}: the folder cannot be written; copy the workflow to a place "
                "where you can write",
            )

    def _lists(self) -> Iterator[Finding]:
        clip_set = self.clip_set
        split = clip_set.splits[0]
        sides = [f"{len(clip_set.subset(split, side)):,} {side}" for side in (TRAIN, TEST)]
        count, classes = len(clip_set.clips), len(clip_set.classes)
        yield Finding(
            OK,
            f"{self.entry['lists']}: {count:,} clip{'s' * (count > 1)} of {classes} "
            f"class{'es' * (classes > 1)}, {len(clip_set.splits)} "
            f"split{'s' * (len(clip_set.splits) > 1)}; {split}: {', '.join(sides)}",
        )
        try:
            self.sets.subset_shards(self.name, split, TRAIN)
            for sentence in leaks.check_groups(clip_set, self.entry, spans_classes(self.entry)):
                yield Finding(NOTE, sentence)
        except PipelineError as error:
            yield from _errors(error)
        matched = leaks.matched(clip_set.clips.values())
        if matched < count:
            yield Finding(
                NOTE,
                f"{count - matched:,} of {count:,} clips are groups of their own: their file names "
                "do not say which scene or person they show, so near-duplicates on both sides of "
                "a split would not be seen",
            )

    def _videos(self) -> Iterator[Finding]:
        if self.sets.is_demo(self.name):
            files = {clip.id: self.folder / clip.file for clip in self.clip_set.clips.values()}
            self.paths = {clip: str(path) for clip, path in files.items() if path.is_file()}
            if not self.paths:
                yield Finding(OK, "its videos are rendered by the run itself")
                return
        try:
            self.paths, others = videos.locate(self.clip_set, self.folder, skips_bad(self.entry))
        except PipelineError as error:
            yield from _errors(error)
            yield from self._elsewhere()
            return
        missing = len(self.clip_set.clips) - len(self.paths)
        if missing:
            yield Finding(NOTE, f"{missing:,} clips have no video and are skipped (on_bad_clip)")
        unused = f"; {len(others):,} other files are in no list" if others else ""
        yield Finding(OK, f"{self.folder}: {len(self.paths):,} videos{unused}")
        yield from self._decoded()

    def _elsewhere(self) -> Iterator[Finding]:
        """Say by what command videos come to where they are looked for."""
        yield from self._archives(self.folder)
        files = [clip.file for clip in self.clip_set.clips.values()]
        wanted = files[:: max(1, len(files) // LOOKED_FOR)]
        for inside in (self.folder, self.folder.parent):
            for folder in sorted(inside.glob("*/")) + sorted(inside.glob("*/*/")):
                if 2 * sum((folder / file).is_file() for file in wanted) <= len(wanted):
                    continue
                if inside == self.folder:
                    command = f"mv {_quoted(folder)}/* {_quoted(self.folder)}/"
                elif not self.folder.exists():
                    link = os.path.relpath(folder, inside)
                    command = f"ln -s {_quoted(link)} {_quoted(self.folder)}"
                else:
                    command = ""
                yield Finding(NOTE, f"videos lie in {folder}", command)
                return

    def _archives(self, folder: Path) -> Iterator[Finding]:
        """Say by what command the archives in a folder, or else beside it, are unpacked."""
        for place in (folder, folder.parent):
            try:
                names = sorted(path.name for path in place.iterdir() if path.is_file())
            except OSError:
                continue
            packed: dict[str, list[str]] = {}
            for name in names:
                if Path(name).suffix.casefold() in layouts.UNPACK:
                    packed.setdefault(Path(name).suffix, []).append(name)
            if packed:
                commands = " && ".join(_unpacking(*pair) for pair in packed.items())
                told = listed([name for alike in packed.values() for name in alike], 2)
                yield Finding(NOTE, f"{place} holds {told}", f"cd {_quoted(place)} && {commands}")
                return

    def _decoded(self) -> Iterator[Finding]:
        """Decode a few videos, and say what is odd about them."""
        clips = sorted(self.paths)
        chosen = clips[:: max(1, -(-len(clips) // SAMPLE))]
        accepted = self.entry["accept_damaged"]
        try:
            self.sample = trial.of_clips(
                [(self.paths[clip], clip in accepted) for clip in chosen], self.settings
            )
        except MachineError as error:
            yield from _errors(error)
            return
        found = self.sample
        state = NOTE if skips_bad(self.entry) else ERROR
        for problem in found.problems:
            yield Finding(state, problem)
        if not found.frames:
            return
        lengths = sorted(found.frames.values())
        sizes = [f"{width} x {height}" for width, height in sorted(found.sizes)]
        more = " or more" if found.unfinished else ""
        yield Finding(
            OK,
            f"{len(lengths)} videos decoded: {_span(lengths)}{more} frames of {listed(sizes, 3)}",
        )
        stack = self.settings["stack"]
        if lengths[0] <= stack:
            yield Finding(
                NOTE,
                f"a stack has {stack} flow fields, and some clips have fewer; they repeat the last",
            )

    def _weights(self) -> Iterator[Finding]:
        """Say whether pretrained weights can be had, where a network is to start from them yet."""
        folder = self.results / self.name / self.clip_set.splits[0]
        for section, made in (("network", "co2fi.pt"), ("teacher", "teacher.pt")):
            weights = self.settings[section].get("weights", "none")
            backbone = self.settings[section].get("backbone", "")
            if weights == "none":
                continue
            where = f"{section}.weights of set '{self.name}'"
            if all((folder / stream / made).is_file() for stream in ("appearance", "motion")):
                yield Finding(OK, f"{where}: its networks are trained already")
                continue
            problem = preflight.problem(backbone, weights, where)
            if problem:
                yield Finding(ERROR, problem)
            elif weights == "imagenet":
                cached = preflight.is_cached(backbone)
                how = "are on this machine" if cached else "will be downloaded, which is possible"
                yield Finding(OK, f"the ImageNet weights of {backbone} {how}")
            else:
                yield from _file(weights, where, self.settings, section)

    def _given_scores(self) -> Iterator[Finding]:
        """Say whether the scores of trajectories are there that the config names."""
        idt, split = self.settings["idt"], self.clip_set.splits[0]
        path = self.target.folder / idt["scores"].replace("{split}", split)
        if idt["enabled"] and idt["scores"] != "none" and not path.is_file():
            yield Finding(
                ERROR,
                f"{path}: there is no such file of scores; correct idt.scores of set "
                f"'{self.name}', or write none to have them computed",
            )

    @property
    def is_usable(self) -> bool:
        """Whether enough was found to say what a run takes: two classes, and videos that decode."""
        decoded = self.sample is not None and self.sample.frames
        return bool(decoded) and len(self.clip_set.classes) > 1

    def needs(self) -> tuple[list[Need], list[Finding]]:
        """Return what a run of the first split takes by stage, and what is to be said of that.

        Where a network cannot be built or has no room there are no needs, but what is wrong.
        """
        own, split = self.settings, self.clip_set.splits[0]
        size = self._size(split)
        found_gpus = gpus.found().names
        try:
            networks = trial.of_networks(own, len(self.clip_set.classes))
        except PipelineError as error:
            return [], list(_errors(error))
        except RuntimeError as error:
            # torch's own error, of a GPU that another job fills.
            if "out of memory" not in str(error):
                raise
            return [], [Finding(NOTE, "the GPU has no memory free, so no training step was timed")]
        hands = Hands(machine.cores(), len(found_gpus) if "cpu" not in networks.device else 0)
        on_gpu = (
            bool(found_gpus)
            and own["flow"]["backend"] in ("auto", "cuda")
            and not gpus.missing_for_triton()
        )
        found = [
            *needs.of_clips(own, size, self.sample, hands, on_gpu),
            *needs.of_networks(own, size, networks, hands),
        ]
        run = Run(split)
        stages = status.read(Target(self.target.folder, self.name, run), self.configs).stages
        found = sorted(found, key=lambda need: STAGES.index(need.stage))
        found = needs.merge(found, stages)
        return found, [self._disk(found), *_patience(found, networks.device)]

    def _size(self, split: str) -> Size:
        """Return how much there is: by the index, or by the bytes of the videos decoded and all."""
        clip_set = self.clip_set
        sides = [len(clip_set.subset(split, side)) for side in (TRAIN, TEST)]
        table = self.results / self.name / "index.csv"
        if table.is_file():
            frames = sum(row["frames"] for row in index.read(table))
            return Size(len(self.paths), frames, *sides)
        decoded = self.sample.frames
        bytes_decoded = sum(os.path.getsize(path) for path in decoded)
        whole = sum(os.path.getsize(path) for path in self.paths.values())
        return Size(len(self.paths), sum(decoded.values()) * whole / bytes_decoded, *sides)

    def _disk(self, found: list[Need]) -> Finding:
        folder = _existing(self.results / self.name)
        needed = sum(need.to_write or 0 for need in found)
        free = machine.free_bytes(folder) or 0
        about = (
            f"about {size_text(needed)} will be written" if needed else "nothing is left to write"
        )
        text = f"{folder.absolute()}: {size_text(free)} are free, and {about}"
        if needed > free:
            return Finding(ERROR, f"{text}; free some, or start from a folder on a larger disk")
        return Finding(NOTE if needed > NEARLY * free else OK, text)


def _patience(found: list[Need], device: str) -> Iterator[Finding]:
    """Say what to do where networks would train for too long on a processor."""
    seconds = sum(need.seconds or 0 for need in found)
    if device.startswith("cpu") and seconds > LONG:
        yield Finding(
            NOTE,
            "networks of this size want a GPU; on processors --configfile "
            "workflow/presets/cpu.yaml, behind the others, trains smaller ones",
        )


def _file(weights: str, where: str, own: dict, section: str) -> Iterator[Finding]:
    """Say whether a file of weights fits the network that is to start from it."""
    from pipeline.models import factory

    build = factory.stream_net if section == "network" else factory.teacher
    net = build(own, "appearance", max(own["granularities"]))
    try:
        # What a job's log says of them is not asked for here.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            net.start_from(weights)
    except PipelineError as error:
        yield from _errors(error)
        return
    yield Finding(OK, f"{weights}: the file of {where} fits {own[section]['backbone']}")


def _errors(error: PipelineError) -> Iterator[Finding]:
    for line in str(error).split("\n"):
        yield Finding(ERROR, line)


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _span(numbers: list[int]) -> str:
    low, high = numbers[0], numbers[-1]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _unpacking(ending: str, names: list[str]) -> str:
    """Return the command that unpacks archives with an ending, in their folder."""
    command = layouts.UNPACK[ending.casefold()]
    if len(names) == 1:
        return f"{command} {_quoted(names[0])}"
    return f'for f in *{ending}; do {command} "$f"; done'


def _quoted(path: str | Path) -> str:
    return quote(str(path))
