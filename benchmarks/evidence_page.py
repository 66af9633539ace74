"""The page docs/results.md, from the files of all parts, and remarks that people wrote."""

import re
from pathlib import Path

from evidence_parts import Part, read_parts
from evidence_pictures import draw_all
from evidence_rows import IN_TABLES
from evidence_settings import other_settings
from evidence_tables import (
    accuracy_rows,
    claim_rows,
    difference_rows,
    further_rows,
    offset_gain_rows,
    offset_rows,
    pair_rows,
    part_rows,
    teacher_rows,
    time_rows,
)

from pipeline.config.runs import for_stream
from pipeline.errors import PipelineError, listed, nearest
from pipeline.evaluation.comparison import RESAMPLES
from pipeline.files import replacing

TITLE = "The method against its rivals, on genuine clips"
INTRODUCTION = """\
This page is written by `python benchmarks/evidence.py page` from the files in
`benchmarks/results/evidence`, one for each fold and seed of a set. `make evidence` makes those that
are missing, and of others the rows that are missing or were made with other settings, and writes
this page anew; `make evidence AGAIN=1` also what earlier code has made. Parts that want a GPU are
left out where there is none. Remarks stand in `{remarks}` and survive that.

- **Accuracy** is in percent of test clips. Each clip is tested in one fold; the clips of all folds
  are taken together, and of several seeds a clip has the mean. After ± stands the standard
  deviation over the seeds that were run on all folds.
- **fused** is the sum of both directions of asynchronous or synchronous fusion. **with IDT** is
  its sum with trajectories, or that of the two streams where a row has no fusion, by the rule of
  `config.yaml`.
- **Differences** are on the same clips and seeds. The 95 % interval is by paired bootstrap over
  clips ({resamples:,} draws). p is the exact two-sided sign test over clips, for all seeds of a
  clip at once; with one seed it is McNemar's test. p by Holm is corrected for the rows of its
  table, or of its column.
- Clips of one source film count as independent of each other. Intervals and p tell of other clips
  of this kind, and the deviation over seeds of other trainings."""
VERDICTS = """\
A claim is **seen here** where the interval of the difference lies above 0 and p is below 0.05,
**the other way round here** where it lies below, with such a p, and else **not seen here**. That
SYN does not help is the other way round where the interval lies above 0, and has nothing against it
where it holds 0. Where only a few clips differ, all in one direction, the interval by bootstrap is
too narrow; p is exact, and with fewer than six such clips never below 0.05."""
ABOUT_DIFFERENCES = """\
Points of accuracy more than the two-stream baseline: a stream than the same stream of the baseline,
fusion than the baseline's two streams, and with IDT than the baseline with IDT. In brackets stands
the interval, then p by Holm."""
ABOUT_TEACHER = """\
Percent of the positions of training clips at which the true class is among the teacher's likeliest.
At all others it is forced into a group of as many classes: 100 less the number. The teacher has
learned from {share:g} % of these clips, and is surer of them than it would be of others."""
ABOUT_PEAKS = """\
Evidence is the logit of the true class less the mean of the others, at each instant at which a test
clip is scored. The table says how many frames lie between the instants at which both streams have
most of it. A stack of flow is known by its first field, so its middle is half a stack later. "If
independent" sets the appearance of each clip against the motion of all other clips, brought to its
length: streams that know of each other are nearer than that. D is the distance of instants in
ASYN."""
ABOUT_GAINS = """\
What asynchronous fusion gains on clips whose streams peak D frames apart or more, and on the rest,
in points of accuracy:"""
ABOUT_FURTHER = """\
What is no row of the paper's tables, on the parts that have it, beside the complete method on the
same clips and seeds."""
ABOUT_TIME = """\
Minutes that the jobs of a part take, added up, by the mean of the parts of a machine. Jobs run side
by side, two on two cores, and are the slower for it. All parts of a set share frames, flow and what
is kept of trajectories, and all seeds of a fold share teachers and groups: the first part makes
them."""
CAPTIONS = {
    "accuracy": "Accuracy of all rows: fused where a row has fusion, else of two streams.",
    "groups": "The teacher's likeliest classes over the first training clip of some classes, as in "
    "Figure 4 of the paper.",
    "offsets": "Frames between the peaks of both streams: Figure 1b of the paper, over all clips.",
    "curves": "Evidence over clips whose streams peak far apart, each stream by its own spread, as "
    "in Figure 6 of the paper. Before others come clips that ASYN alone gets right.",
}


def write_page(folder: Path, out: Path) -> None:
    """Write the page `out` and its pictures from the files in `folder`.

    Raises PipelineError where there are none, and for remarks on a section that there is not.
    """
    by_set = read_parts(folder)
    if not by_set:
        raise PipelineError(
            f"{folder}: there are no files of parts; make them first: make evidence, or "
            "benchmarks/evidence.py run"
        )
    remarks_path = out.with_name(f"{out.stem}.remarks.md")
    divided = {name: divide(parts) for name, parts in by_set.items()}
    overview = "\n".join(
        f"- [{name}](#{name}). {at_hand(parts)}" for name, (parts, _) in divided.items()
    )
    introduction = INTRODUCTION.format(remarks=remarks_path, resamples=RESAMPLES)
    sections = {TITLE: [overview, introduction]}
    for name, (parts, wanting) in divided.items():
        pictures = draw_all(parts, out.parent / "pictures")
        links = {
            kind: f"![{name}: {kind}]({path.relative_to(out.parent)})"
            for kind, path in pictures.items()
        }
        sections |= set_sections(name, parts, links, wanting)
    remarks = read_remarks(remarks_path, list(sections))
    blocks = []
    for number, (title, content) in enumerate(sections.items()):
        level = "#" if number == 0 else "##" if title in by_set else "###"
        blocks += [f"{level} {title}", *content, *remarks.get(title, [])]
    with replacing(out, sealed=False) as temporary:
        temporary.write_text("\n\n".join(blocks) + "\n")


def divide(parts: list[Part]) -> tuple[list[Part], dict[str, str]]:
    """The parts of a set that the tables are of, and by the name of each other what it wants.

    Rows of different settings are not compared, nor rows of some folds with rows of others, unless
    all parts want something: those are shown.
    """
    wanting = {part.name: why for part in parts if (why := _wants(part))}
    return [part for part in parts if part.name not in wanting] or parts, wanting


def _wants(part: Part) -> str:
    """Which rows a part has not, and which by other settings than now; '' where it is whole.

    It is whole without a further variant, which stands in no table beside rows of other parts.
    """
    absent = [row for row in part.content["missing"] if row in IN_TABLES]
    others = other_settings(part)
    without = f"without {listed(absent, count=50)}" if absent else ""
    other = f"{listed(others, count=50)} by other settings" if others else ""
    return "; ".join(filter(None, (without, other)))


def read_remarks(path: Path, titles: list[str]) -> dict[str, list[str]]:
    """Remarks by the title of the section that they stand below, in a file of Markdown.

    Text before the first heading says what the file is, and is left out. Raises PipelineError for
    a heading that is no title.
    """
    if not path.is_file():
        return {}
    _, *parts = re.split(r"^#+ +(.+?) *$", path.read_text(encoding="utf-8"), flags=re.M)
    remarks = {}
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        if title not in titles:
            raise PipelineError(
                f"{path}: there is no section '{title}'; sections are {listed(titles, count=50)}"
                f"{nearest(title, titles)}"
            )
        if text.strip():
            remarks[title] = [text.strip()]
    return remarks


def set_sections(
    name: str, parts: list[Part], links: dict[str, str], wanting: dict[str, str]
) -> dict[str, list[str]]:
    """The sections of a set by title, each a list of blocks; without tables that have no rows.

    wanting: by the name of a part that is not whole what it wants.
    """
    command = f"By `python benchmarks/evidence.py page`, from `make evidence ONLY={name}`."

    def picture(kind: str) -> list[str]:
        return [links[kind], CAPTIONS[kind]] if kind in links else []

    def section(about: list[str], rows: list[str], *kinds: str) -> list[str]:
        """Empty where the table has a head alone."""
        if len(rows) <= 2:
            return []
        shown = [block for kind in kinds for block in picture(kind)]
        return [*about, "\n".join(rows), command, *shown]

    gained = section([ABOUT_GAINS], offset_gain_rows(parts), "curves")
    sections = {
        "": [at_hand(parts), setup(parts), "\n".join(part_rows(parts)), *about_wanting(wanting)],
        "accuracy": section([], accuracy_rows(parts), "accuracy"),
        "less the baseline": section([ABOUT_DIFFERENCES], difference_rows(parts)),
        "the whole method and its rivals": section([], pair_rows(parts)),
        "claims": section([VERDICTS], claim_rows(parts)),
        "further variants": section([ABOUT_FURTHER], further_rows(parts)),
        "teacher": section([_about_teacher(parts)], teacher_rows(parts), "groups"),
        "asynchrony": [*section([ABOUT_PEAKS], offset_rows(parts), "offsets"), *gained],
        "time": section([ABOUT_TIME], time_rows(parts)),
    }
    return {
        f"{name}: {title}" if title else name: blocks
        for title, blocks in sections.items()
        if blocks
    }


def at_hand(parts: list[Part]) -> str:
    """Which folds and seeds there are."""
    by_split: dict[str, list[str]] = {}
    for part in parts:
        by_split.setdefault(part.split, []).append(str(part.seed))
    told = [
        f"{split} with seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
        for split, seeds in by_split.items()
    ]
    clips = sum(next(part.clips for part in parts if part.split == split) for split in by_split)
    classes = len(parts[0].content["classes"])
    return f"At hand: {'; '.join(told)}. {clips:,} test clips of {classes} classes."


def about_wanting(wanting: dict[str, str]) -> list[str]:
    """Which parts want rows; nothing where all are whole."""
    if not wanting:
        return []
    told = ", ".join(f"{name} ({why})" for name, why in wanting.items())
    return [
        f"Not whole: {told}. Such parts are in no table beside whole ones. `make evidence` makes "
        "the rows that they want, and keeps their others."
    ]


def setup(parts: list[Part]) -> str:
    """The settings that all rows share, as the first part has them."""
    own = next(iter(parts[0].content["settings"].values()))
    network, period = own["network"], own["period"]
    return (
        f"All rows: {network['backbone']} at {own['crops']['size']} px, stacks of {own['stack']} "
        f"fields, groups of {listed(list(map(str, own['granularities'])))} classes; "
        f"{period['count']} test periods of {period['instants']} instants. Iterations: teacher "
        f"{own['teacher']['iterations']:,}, streams {_stream_iterations(own)}, fusion "
        f"{own['asyn']['iterations']:,}, "
        + ("all networks together." if own["asyn"]["joint"] else "on the streams' features.")
    )


def _stream_iterations(own: dict) -> str:
    """The iterations of the streams' networks, of each where they differ."""
    others = [
        f" ({stream} {for_stream(own, stream)['co2fi']['iterations']:,})"
        for stream in own.get("by_stream", {})
    ]
    return f"{own['co2fi']['iterations']:,}{''.join(others)}"


def _about_teacher(parts: list[Part]) -> str:
    own = next(iter(parts[0].content["settings"].values()))["teacher"]
    return ABOUT_TEACHER.format(share=100 * own["fraction"])
