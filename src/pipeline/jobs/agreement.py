"""Whether artifacts were made with the settings of the config, by their records.

Snakemake has an artifact made again when its settings change, but knows only what it has made
itself: of frames or networks that were copied from another folder it does not know the settings.
So each job compares what the records of its inputs say with what its config wants.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import PipelineError, listed, require, set_aside
from pipeline.files import read_intact
from pipeline.jobs import record

# Values that give the same content: pixels of lossless codecs, and flow of solvers that agree to
# the last bit.
SAME = {
    "store.frames": ("gzip", "lz4"),
    "store.flow": ("gzip", "lz4"),
    "flow.backend": ("auto", "cpu", "cuda"),
}
# Stages whose artifacts belong to a run of a variant and seed; all others are made once for a set
# or a split, with the set's own settings.
OF_RUNS = ("co2fi", "features", "asyn", "scores")
# What else a record has among its settings: the clips of the stage, by which it is compared.
IDENTITY = "identity"


def records_of(paths: Iterable[str | Path]) -> list[Path]:
    """The records beside those of `paths` that are artifacts."""
    beside = [Path(path).with_suffix(".json") for path in paths]
    return [path for path in beside if path.is_file() and record.content_path(path).is_file()]


def check(records: Iterable[str | Path], wanted: str | Path) -> None:
    """Check that artifacts were made with the settings that the config wants, by their `records`.

    `wanted` is a file of JSON: 'runs' are the settings of each run, those of the set itself under
    '' and those of a single artifact under its path without ending, and 'identity' what identifies
    the clips of the split's 'train' and 'test', and of all 'splits'. What the config does not have
    is not compared.

    Raises PipelineError with a line for each stage that differs.
    """
    try:
        want = json.loads(read_intact(wanted))
    except ValueError as error:
        raise PipelineError(
            f"{wanted}: not the settings of a run ({error}); {set_aside(wanted)}"
        ) from error
    # {(stage, what differs): artifacts}
    found: dict[tuple[str, str], list[Path]] = {}
    for path in map(Path, records):
        about = record.read(path)
        differing = "; ".join(_differences(path, about, want))
        if differing:
            found.setdefault((about.get("stage"), differing), []).append(path)
    problems = []
    for (stage, differing), paths in found.items():
        artifacts = [str(_artifact(path)) for path in paths]
        problems.append(
            f"{listed(artifacts, 1)}: {differing}; correct the config, or have it made again: "
            f"{_cure(stage, artifacts[0])}"
        )
    require(problems)


def _artifact(path: Path) -> Path:
    """The artifact of a record, or the record where it has none of the usual endings."""
    artifacts = (path.with_suffix(ending) for ending in (".h5", ".pt", ".csv"))
    return next((artifact for artifact in artifacts if artifact.is_file()), path)


def _cure(stage: str, artifact: str) -> str:
    """How to have an artifact of a stage made again."""
    # Which of several rules scores a run, its name does not tell.
    return (
        f"the same snakemake command with --forcerun {stage}"
        if stage != "scores"
        else set_aside(artifact)
    )


def _differences(path: Path, about: dict, want: dict) -> Iterator[str]:
    """Yield where the settings of a record are not those that are wanted."""
    settings = dict(about.get("settings") or {})
    wanted = want["runs"].get(_run(path, about, want))
    made = settings.pop(IDENTITY, None)
    if made is not None and made != _identity(made, about.get("stage"), want["identity"]):
        yield "made for other clips or classes than the split lists have now"
    if wanted is None:
        return
    made, wanted = dict(_leaves(settings)), dict(_leaves(wanted))
    differing = [
        f"{key} {json.dumps(made[key])}, where the config has {json.dumps(wanted[key])}"
        for key in sorted(made.keys() & wanted.keys())
        if not _same(key, made, wanted)
    ]
    if differing:
        yield f"made with {', '.join(differing)}"


def _identity(made: object, stage: str, identities: dict) -> object:
    """What should identify the clips of a record that says `made`."""
    if isinstance(made, dict):
        return identities["splits"]
    return identities["test" if stage == "scores" else "train"]


def _run(path: Path, about: dict, want: dict) -> str:
    """The run whose settings the artifact of a record was made with; '' is the set itself."""
    # <run>/<source>/<name>.json; scores of trajectories belong to the split.
    folder = path.parent
    if about.get("stage") not in OF_RUNS or folder.name == "idt":
        return ""
    # An artifact may have settings of its own, as a network of one stream.
    places = (folder.parent.as_posix(), path.with_suffix("").as_posix())
    runs = [
        run for run in want["runs"] if run and any(place.endswith(f"/{run}") for place in places)
    ]
    return max(runs, key=len, default="unknown")


def _leaves(settings: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted key and the value of each setting in nested sections."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _same(key: str, made: dict, wanted: dict) -> bool:
    """Whether two settings have the same value at a key, or values of the same outcome."""
    # The quality of a codec that loses nothing is no matter.
    alike = [key, key.removesuffix("_quality")]
    return made[key] == wanted[key] or any(
        made.get(name) in SAME[name] and wanted.get(name) in SAME[name]
        for name in alike
        if name in SAME
    )
