"""The command `pipeline split`."""

import math
import os
import re
import shlex
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from pipeline import files
from pipeline.errors import PipelineError, listed, nearest
from pipeline.jobs import program

PRESETS = ("cpu", "gpu")
WIDTH = 80

# Not the docstring of the command, as its examples are longer than a line of code may be.
HELP_OF_SPLIT = (
    "Split your own videos, and write a config for them.\n\n"
    "VIDEOS holds a folder for each class with its videos. Written to a folder are split lists as "
    "UCF101 has them, and a config, SET.yaml. Clips of one group, such as a person or a recording, "
    "are on one side of a split; every class is on both, but a class of one group, which is only "
    "trained on.\n\n"
    "Example:\n\n"
    "\b\n"
    "  pipeline split data/mine/videos --out lists --group '^([a-z]+)_' --preset cpu"
)


def split(
    videos: Annotated[
        Path, typer.Argument(metavar="VIDEOS", help="Folder of the videos, <class>/<file>.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write lists and config.")],
    test: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the clips of each class in test.")
    ] = 0.3,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            show_default=False,
            help="Its bracket picks the group out of a file name without its ending. By default "
            "UCF101's, v_.._g01_c01; what does not match is a group of its own.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other splits.")] = 1,
    splits: Annotated[int, typer.Option(metavar="N", help="How many splits, 1 to 99.")] = 1,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="cpu|gpu",
            show_default=False,
            help="Write the settings of workflow/presets into the config, for a machine without "
            "or with a GPU; by default those of the paper.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="SET", show_default=False, help="Name of the set, by its folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what was written.")] = False,
) -> None:
    program.run(lambda: _split(videos, out, test, group, seed, splits, preset, name, force))


def _split(
    videos: Path,
    out: Path,
    test: float,
    group: str | None,
    seed: int,
    splits: int,
    preset: str | None,
    name: str | None,
    force: bool,
) -> None:
    _check_options(test, splits, preset)
    from pipeline.datasets import class_folders, new_split, shard_count
    from pipeline.datasets.load import spans_classes

    name = _set_name(videos, name)
    found = class_folders.find(videos)
    clips = _clips(found.files, group)
    entry = {
        "format": "ucf101",
        "videos": _shown(videos),
        "lists": _shown(out),
        **({"group": group} if group is not None else {}),
    }
    over_classes = spans_classes(entry)
    tested = new_split.choose(clips, over_classes, test, seed, splits)
    chosen = new_split.clip_set(name, clips, tested, over_classes)
    groups = new_split.groups_by_class(clips, over_classes)
    _check_sides(chosen, groups)
    entry |= {
        "counts": {
            split: [len(chosen.subset(split, side)) for side in ("train", "test")]
            for split in chosen.splits
        },
        "shards": shard_count.default(len(clips)),
        **_settings(preset),
    }
    texts = new_split.list_texts(chosen)
    _check_read_back(chosen, texts, entry, videos, out)
    config = f"{name}.yaml"
    options = [videos, "--out", out, "--test", f"{test:g}", "--seed", seed, "--splits", splits]
    options += ["--group", group] if group is not None else []
    command = shlex.join(["pipeline", "split", *map(str, options)])
    texts[config] = _config_text(name, entry, command, chosen)
    _write(texts, out, force)
    for note in [*_left_out(found), *_notes(chosen, clips, groups, group, preset, tested)]:
        _say(f"note: {note}")
    if not Path("Snakefile").is_file():
        _say(
            "note: snakemake is run in the folder of the project's Snakefile, which is no part of "
            "the package"
        )
    typer.echo("\n".join(_lines(chosen, groups, out / config, entry)))


def _check_options(test: float, splits: int, preset: str | None) -> None:
    """Refuse options that cannot be."""
    if math.isnan(test) or not 0 < test < 1:
        raise PipelineError(f"--test is {test:g}; take a share between 0 and 1, such as 0.3")
    if not 1 <= splits <= 99:
        raise PipelineError(f"--splits is {splits}; take a number from 1 to 99")
    if preset is not None and preset not in PRESETS:
        raise PipelineError(f"--preset is '{preset}'; take cpu or gpu{nearest(preset, PRESETS)}")


def _set_name(videos: Path, name: str | None) -> str:
    """Return the name of the set: the one that is wanted, or one after the folder of the videos.

    Raises PipelineError for a name that the config cannot have, or has already.
    """
    from pipeline.config import shipped, spelling

    taken = spelling.read(shipped.DEFAULTS)["sets"]
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
            raise PipelineError(
                f"--name is '{name}', but names of sets are of ASCII letters, digits, '_', '-' and "
                "'.', the latter two not first; take another"
            )
        if name in taken:
            raise PipelineError(f"--name is '{name}', a set of config.yaml; take another")
        return name
    folder = videos.resolve()
    if folder.name.casefold() in ("videos", "video", "clips", "data"):
        folder = folder.parent
    name = re.sub("[^a-z0-9]+", "_", folder.name.casefold()).strip("_")[:90] or "mine"
    return f"{name}_own" if name in taken else name


def _clips(by_class: dict[str, list[str]], group: str | None) -> list:
    """Return the clips of the videos, each with its group.

    Raises PipelineError for one class, and for a pattern that picks nothing.
    """
    from pipeline.datasets import leaks, ucf101
    from pipeline.datasets.clips import Clip
    from pipeline.datasets.split_lists import stem

    if len(by_class) < 2:
        raise PipelineError(
            f"there is one class, {next(iter(by_class))}, and every answer would be right; add a "
            "folder with videos of another"
        )
    pattern = ucf101.group_pattern("--group", ucf101.GROUP if group is None else group)
    clips = []
    for class_name, names in by_class.items():
        for file in (f"{class_name}/{name}" for name in names):
            clips.append(Clip(stem(file), file, f"{class_name}/{ucf101.group_of(file, pattern)}"))
    if group is not None and not leaks.matched(clips):
        raise PipelineError(
            f"--group: '{group}' picks nothing out of {len(clips):,} names, such as "
            f"'{clips[0].id.partition('/')[2]}', or all of each; correct it"
        )
    return clips


def _check_sides(chosen, groups: dict[str, set[str]]) -> None:
    """Refuse a set of which nothing can be tested."""
    for split in chosen.splits:
        if not chosen.subset(split, "test"):
            count = len(set().union(*groups.values()))
            raise PipelineError(
                f"no clip can be tested: its clips are of {count:,} groups, and each of them is "
                "all that some class has; add clips of other groups, or take a --group that parts "
                "them"
            )


def _check_read_back(chosen, texts: dict[str, str], entry: dict, videos: Path, out: Path) -> None:
    """Refuse lists that the pipeline would not read as they are meant, before any is written."""
    from pipeline.datasets import leaks, new_split
    from pipeline.datasets.load import load_set, spans_classes
    from pipeline.datasets.videos import locate

    with tempfile.TemporaryDirectory() as temporary:
        new_split.write(texts, Path(temporary))
        try:
            read = load_set(chosen.name, entry | {"lists": temporary})
            locate(read, videos)
            leaks.check_groups(read, entry, spans_classes(entry))
        except PipelineError as error:
            raise PipelineError(str(error).replace(temporary, str(out))) from error
    meant = {clip.id: clip.splits for clip in chosen.clips.values()}
    differ = [
        clip for clip, sides in meant.items() if getattr(read.clips.get(clip), "splits", 0) != sides
    ]
    if differ or len(read.clips) != len(meant):
        raise PipelineError(
            f"{videos}: a list cannot hold these names: {listed(differ)}; rename them"
        )


def _settings(preset: str | None) -> dict:
    """Return the key `settings` of an entry with those of a preset, or nothing."""
    if preset is None:
        return {}
    from pipeline.config import shipped, spelling

    return {"settings": spelling.read(shipped.PRESETS / f"{preset}.yaml")["all_sets"]}


def _shown(path: Path) -> str:
    """A path as the config has it: relative in the folder where snakemake runs, else absolute."""
    return str(path) if Path("Snakefile").is_file() else str(path.resolve())


def _config_text(name: str, entry: dict, command: str, chosen) -> str:
    """Return a config file for the set."""
    import yaml

    text = yaml.safe_dump(
        {"sets": {name: entry}},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    about = f"{len(chosen.clips):,} clips of {len(chosen.classes):,} classes"
    # A command may hold a name with a line break.
    made = command if command.isprintable() else "pipeline split"
    return f"# {about}. Written by: {made}\n# It is laid over config.yaml.\n{text}"


def _write(texts: dict[str, str], out: Path, force: bool) -> None:
    """Write lists and config, unless that would change what somebody else wrote."""
    try:
        present = sorted(os.listdir(out)) if out.exists() else []
    except NotADirectoryError as error:
        raise PipelineError(f"{out}: this is a file; name a folder to write to") from error
    written = [name for name in present if name in texts]
    if written and not force:
        raise PipelineError(
            f"{out}: there are {listed(written)} already; name another folder, or overwrite them "
            "with --force"
        )
    lists = re.compile(r"(train|test)list[0-9]*\.txt|classInd\.txt")
    others = [name for name in present if lists.fullmatch(name) and name not in texts]
    if others:
        raise PipelineError(
            f"{out}: {listed(others)} would be further splits of the set; name another folder, or "
            "move them away"
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with files.replacing(out / name, sealed=False) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


def _say(note: str) -> None:
    """Print a sentence on standard error: in lines on a terminal, as one line to a program."""
    lines = [note]
    if sys.stderr.isatty():
        lines = textwrap.wrap(note, WIDTH, break_long_words=False, break_on_hyphens=False)
    typer.echo("\n".join(lines), err=True)


def _left_out(found) -> list[str]:
    """Sentences on what lies in the folders and is no clip of the set."""
    notes = []
    if found.deeper:
        notes.append(
            f"{len(found.deeper):,} videos lie in folders below those of the classes and are left "
            f"out, such as {found.deeper[0]}; move them up, <class>/<file>"
        )
    if found.others:
        kinds = listed(
            [f"{count:,} {end or 'without'}" for end, count in found.others.most_common()]
        )
        notes.append(f"files that are no videos by their ending are left out: {kinds}")
    if found.empty:
        notes.append(f"folders without a video are no classes: {listed(found.empty)}")
    return notes


def _notes(chosen, clips, groups, group: str | None, preset: str | None, tested) -> list[str]:
    """Sentences on what may make the numbers of the set worse than they look."""
    from pipeline.datasets import leaks

    notes = []
    without = len(clips) - leaks.matched(clips)
    if group is None and not without:
        notes.append("groups are those of UCF101's names, v_<class>_<group>_<clip>")
    if without == len(clips):
        notes.append(
            "without --group each clip is a group of its own: clips of one recording or person "
            "may be in both train and test, which makes accuracies too high"
        )
    elif without:
        notes.append(
            f"{'--group' if group is not None else 'the pattern of UCF101'} matches no part of "
            f"{without:,} of {len(clips):,} names ({without / len(clips):.0%}), such as "
            f"'{_unmatched(clips)}'; each is a group of its own"
        )
    for split in chosen.splits:
        there = {clip.class_name for clip in chosen.subset(split, "test")}
        absent = [name for name in chosen.classes if name not in there]
        single = [name for name in absent if len(groups[name]) == 1]
        if single:
            notes.append(
                f"{listed(single)}: one group each, so that {split} trains on it and tests on "
                "nothing of it; add clips of another group"
            )
        if rest := [name for name in absent if name not in single]:
            notes.append(
                f"{listed(rest)}: {split} tests on nothing of it, since its groups are needed to "
                "train other classes; add clips of other groups"
            )
    for number, one in enumerate(tested, start=1):
        if one in tested[: number - 1]:
            earlier = tested.index(one) + 1
            notes.append(f"split{number} is split{earlier} again: there are too few groups")
    if preset is None:
        notes.append(
            "trainings are as long as the paper's, for a GPU; --preset cpu or gpu writes shorter"
        )
    return notes


def _unmatched(clips) -> str:
    """The name of a clip that no pattern picked a group out of."""
    from pipeline.datasets import leaks

    return next(clip.id.partition("/")[2] for clip in clips if not leaks.matched([clip]))


def _lines(chosen, groups: dict[str, set[str]], config: Path, entry: dict) -> list[str]:
    """What was made, and the commands that come next."""
    count = len(set().union(*groups.values()))
    lines = [
        f"set {chosen.name}: {len(chosen.clips):,} clips, {len(chosen.classes):,} classes, "
        f"{count:,} groups",
        f"{'':10}{'train':>8}{'test':>8}   share of test, of the classes",
    ]
    for split in chosen.splits:
        train, test = entry["counts"][split]
        shares = _shares(chosen, split)
        lines.append(
            f"{split:10}{train:8,}{test:8,}{test / (train + test):8.1%}, "
            f"{min(shares):.0%} .. {max(shares):.0%}"
        )
    lines.append(f"config  {config}")
    weights = entry.get("settings", {}).get("network", {}).get("weights", "")
    if weights.startswith("weights/") and not Path(weights).exists():
        lines.append(f"first   pipeline weights fetch {Path(weights).stem}")
    target = f"results/{chosen.name}/split1/acc.json"
    cores = len(os.sched_getaffinity(0))
    run = f"snakemake --cores {cores} --configfile {shlex.quote(str(config))}"
    joint = " " if len(run) + len(target) + 12 <= WIDTH else " \\\n          "
    return [*lines, f"next    {run}{joint}-- {target}"]


def _shares(chosen, split: str) -> list[float]:
    """The share of test clips of each class."""
    total = dict.fromkeys(chosen.classes, 0)
    test = dict.fromkeys(chosen.classes, 0)
    for clip in chosen.clips.values():
        total[clip.class_name] += 1
        test[clip.class_name] += clip.splits[split] == "test"
    return [test[name] / total[name] for name in chosen.classes]
