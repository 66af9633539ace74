"""What one fold and seed of a set have shown, read from the results of all its runs.

Predictions clip by clip, the teacher's rankings, the instants at which the streams' evidence peaks,
settings, code and times: all that the page of results is made of, so that it outlives the machine.
"""

from pathlib import Path

import numpy as np
from evidence_rows import COMPLETE
from evidence_settings import expected_settings, part_runs, relevant, same_settings
from report import machine

from pipeline import gpus
from pipeline.config.runs import Run
from pipeline.data.crops import CROP_COUNTS
from pipeline.data.instants import count_stack_starts, scored_instants
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.evaluation import fusion, results
from pipeline.evaluation.score_files import Scores, read_scores
from pipeline.files import read_intact
from pipeline.jobs import record
from pipeline.storage import attributes
from pipeline.storage.reader import opened
from pipeline.streams import DIRECTIONS, STREAMS

# Variants whose streams' evidence is followed over the clip.
FOLLOWED = ("baseline", COMPLETE)
# What tells the test clips, and what tells how rows were made.
_CLIPS = ("classes", "clips", "labels")
_MAKING = ("date", "processor", "cores", "gpus", "python", "packages", "seconds")
# Ranks of the teacher whose shares are told, and clips of which curves are kept.
TOPS, CURVES = (1, 3, 5), 6


def collect(config: dict, name: str, split: str, seed: int, earlier: dict | None = None) -> dict:
    """The content of a part's file, from the folder `results`.

    Rows that have no result there, or one by other settings than the config's, are taken from
    `earlier`, the content of the part's file as it is, where their settings and clips are the same.

    Raises PipelineError where no run has a result, or the runs are not of the same clips.
    """
    folder = Path("results") / name
    found, missing = {}, {}
    for variant, run in part_runs(config, name, split, seed).items():
        path = folder / str(run) / "acc.json"
        if path.is_file():
            found[variant] = run, results.parse(read_intact(path), str(path))
        else:
            missing[variant] = f"there is no {path}"
    if not found:
        raise PipelineError(
            f"{folder / split}: no run of seed {seed} has a result; make them first: "
            f"python benchmarks/evidence.py run --only {name}/{split}/seed{seed}"
        )
    sources = {variant: _read_sources(folder, run) for variant, (run, _) in found.items()}
    idt = _read_idt(folder / split)
    first = next(iter(next(iter(sources.values())).values()))
    if idt is None:
        missing["idt"] = f"there are no scores in {folder / split / 'idt'}"
    predicted = {} if idt is None else {"idt": {"idt": _classes(first, idt, idt.values)}}
    for variant, (_, result) in found.items():
        fused = _fuse(sources[variant], idt, result["provenance"]["config"]["fusion"])
        predicted[variant] = {
            source: _classes(first, next(iter(sources[variant].values())), values)
            for source, values in fused.items()
        }
    rows = {row["clip"]: row for row in index.read(folder / split / "test.csv")}
    provenance = {variant: result["provenance"] for variant, (_, result) in found.items()}
    content = {
        "set": name,
        "split": split,
        "seed": seed,
        **machine(),
        "gpus": list(gpus.found().names),
        "classes": first.classes,
        "clips": first.clips,
        "labels": first.labels.tolist(),
        "frames": [rows[clip]["frames"] for clip in first.clips],
        "groups": [rows[clip]["group"] for clip in first.clips],
        "predicted": predicted,
        "missing": missing,
        "teacher": {
            stream: _teacher(folder / split / stream / "groups.h5")
            for stream in STREAMS
            if (folder / split / stream / "groups.h5").is_file()
        },
        "evidence": {
            variant: _evidence(folder / str(run), result, first, rows, predicted[variant])
            for variant, (run, result) in found.items()
            if variant in FOLLOWED
        },
        "settings": {variant: relevant(told["config"]) for variant, told in provenance.items()},
        "code": _code(provenance),
        "seconds": _seconds(provenance),
    }
    if earlier is None or any(earlier[key] != content[key] for key in _CLIPS):
        return content
    return _with_rows_of(
        earlier, content, expected_settings(config, name, split, seed, len(first.classes))
    )


def _with_rows_of(earlier: dict, content: dict, expected: dict) -> dict:
    """`content`, and the rows that `earlier` alone has by the settings that are expected.

    `kept` says of such rows when and on what machine they were made, what that took, and whether
    the whole part was made then.
    """
    rows = [
        row
        for row in expected
        if row in earlier["predicted"]
        and not same_settings(content, row, expected)
        and same_settings(earlier, row, expected)
    ]
    if "idt" not in content["predicted"] and _same_trajectories(earlier, expected):
        rows.append("idt")
    if not rows:
        return content
    # In the order of the config, whatever was made when.
    of_rows = {
        key: {
            row: source[key][row]
            for row in ("idt", *expected)
            if row in (source := earlier if row in rows else content)[key]
        }
        for key in ("predicted", "evidence", "settings")
    }
    before = [*earlier.get("kept", []), {key: earlier[key] for key in _MAKING if key in earlier}]
    told = {row for making in before for row in making.get("rows", [])}
    before[-1]["rows"] = [row for row in earlier["predicted"] if row not in told]
    before[-1]["whole"] = not told and not earlier["missing"]
    kept = [
        making | {"rows": left}
        for making in before
        if (left := [row for row in making["rows"] if row in rows])
    ]
    stages = dict.fromkeys([*content["code"], *earlier["code"]])
    code = {
        stage: sorted({*content["code"].get(stage, []), *earlier["code"].get(stage, [])})
        for stage in stages
    }
    missing = {row: why for row, why in content["missing"].items() if row not in rows}
    teacher = earlier["teacher"] | content["teacher"]
    return content | of_rows | {"missing": missing, "teacher": teacher, "code": code, "kept": kept}


def _same_trajectories(earlier: dict, expected: dict) -> bool:
    """Whether a part has predictions by trajectories, and all its rows the expected settings of
    these.
    """
    rows = expected.keys() & earlier["settings"].keys()
    return "idt" in earlier["predicted"] and all(
        earlier["settings"][row]["idt"] == expected[row]["idt"] for row in rows
    )


def _read_sources(folder: Path, run: Run) -> dict[str, Scores]:
    """The scores of a run's streams and directions, as far as it has them, aligned."""
    paths = {source: folder / str(run) / source / "scores.h5" for source in (*STREAMS, *DIRECTIONS)}
    return fusion.align(
        {source: read_scores(str(path)) for source, path in paths.items() if path.is_file()}
    )


def _read_idt(folder: Path) -> Scores | None:
    """The scores of a split by trajectories, computed or given."""
    paths = [folder / "idt" / f"{name}.h5" for name in ("scores", "given")]
    return next((read_scores(str(path)) for path in paths if path.is_file()), None)


def _fuse(sources: dict[str, Scores], idt: Scores | None, rule: dict) -> dict[str, np.ndarray]:
    """(clips, classes) scores of the streams, of their sums, and of each with trajectories."""
    values = fusion.fuse(sources, rule).values
    fused = {name: values[name] for name in (*STREAMS, "two_stream", "asyn") if name in values}
    if idt is None:
        return fused
    aligned = fusion.align({**sources, "idt": idt})["idt"]
    how = "standardised" if rule["rule"] == "standardised" else rule["idt"]["normalise"]
    weight = rule["idt"]["weight"]
    return fused | {
        f"{name}_idt": fusion.combine(
            [fusion.normalise(part, how), fusion.normalise(aligned.values, how)],
            [1 - weight, weight],
        )
        for name, part in fused.items()
    }


def _classes(first: Scores, own: Scores, values: np.ndarray) -> list[int]:
    """The class that `values` predict of each clip, in the order of the `first` file's clips."""
    both = fusion.align(
        {"one run": first, "another": Scores(own.clips, own.labels, own.classes, values)}
    )
    return both["another"].values.argmax(axis=1).tolist()


# The teacher


def _teacher(path: Path) -> dict:
    """How often the truth is among the teacher's likeliest classes, and examples of its rankings.

    By class the number of training positions and, for each number of TOPS, how many of them have
    the true class among as many. A group of a size lacks the truth at all others, where it is
    forced in. `examples` has the rankings of the first clip of each class.
    """
    counts: dict[int, np.ndarray] = {}
    examples = {}
    with opened(path, "groups") as file:
        datasets: list = []
        file.visititems(lambda _, node: datasets.append(node) if hasattr(node, "shape") else None)
        names = attributes.read(file)["classes"]
        for data in datasets:
            about, ranked = attributes.read(data), data[...].astype(int)
            label, hits = int(about["label"]), ranked == int(about["label"])
            tops = [int(hits[:, :top].sum()) for top in TOPS]
            counts[label] = counts.get(label, 0) + np.array([len(ranked), *tops])
            if names[label] not in examples:
                examples[names[label]] = {"clip": about["clip"], "ranked": ranked.tolist()}
    return {
        "tops": list(TOPS),
        "depth": int(ranked.shape[1]),
        "by_class": {names[label]: counts[label].tolist() for label in sorted(counts)},
        "examples": examples,
    }


# Where the streams' evidence peaks


def _evidence(
    folder: Path, result: dict, first: Scores, rows: dict[str, dict], predicted: dict
) -> dict:
    """The instant at which each stream's evidence for the true class is largest, by test clip.

    Evidence is the logit of the true class less the mean of all others'. Instants are those at
    which a test clip is scored, as numbers of frames; a stack is known by its first field. Of
    equal ones the first counts. `curves` has the evidence at every instant of some clips.
    """
    own = result["provenance"]["config"]
    crops = CROP_COUNTS[own["scores"]["crops"]]
    snippets = own["scores"].get("snippets", 0)
    curves = {}
    for stream in STREAMS:
        with opened(folder / stream / "scores.h5", "scores") as file:
            clips = [clip.decode() for clip in file["clips"]]
            logits = file["logits"][...].astype(float)
        # (clips, crops instants, classes) -> (clips, instants, classes)
        logits = logits.reshape(len(clips), crops, -1, logits.shape[2]).mean(axis=1)
        order = [clips.index(clip) for clip in first.clips]
        curves[stream] = [
            _curve(
                logits[row],
                int(label),
                # The last instant of both streams, at which a stack still begins.
                count_stack_starts(rows[clip]["frames"] - 1, own["stack"]) - 1,
                own["period"],
                snippets,
            )
            for clip, label, row in zip(first.clips, first.labels, order, strict=True)
        ]
    peaks = {
        stream: [instants[int(np.argmax(evidence))] for instants, evidence in of_clips]
        for stream, of_clips in curves.items()
    }
    return {
        "peaks": peaks,
        "instants": [instants for instants, _ in curves[STREAMS[0]]],
        "curves": {
            first.clips[number]: {
                "instants": curves[STREAMS[0]][number][0],
                **{stream: np.round(curves[stream][number][1], 3).tolist() for stream in STREAMS},
            }
            for number in _shown(peaks, predicted, first.labels.tolist())
        },
    }


def _curve(
    logits: np.ndarray, label: int, last: int, period: dict, snippets: int
) -> tuple[list[int], np.ndarray]:
    """The distinct instants of a clip and the evidence (instants,) that its `logits` give."""
    _, instants = scored_instants(last, period, snippets)
    # Periods overlap: the same instant has the same logits.
    distinct, position = np.unique(instants.reshape(-1), return_index=True)
    chosen = logits[position]
    others = np.delete(chosen, label, axis=1).mean(axis=1)
    return distinct.tolist(), chosen[:, label] - others


def _shown(peaks: dict[str, list[int]], predicted: dict, labels: list[int]) -> list[int]:
    """Clips whose curves are kept: whose streams peak farthest apart.

    Before all others those that asynchronous fusion gets right and the sum of streams does not,
    where there is such fusion.
    """
    offsets = np.abs(np.subtract(peaks["motion"], peaks["appearance"]))
    mended = np.zeros(len(labels), bool)
    if "asyn" in predicted:
        mended = np.equal(predicted["asyn"], labels) & ~np.equal(predicted["two_stream"], labels)
    return np.lexsort((-offsets, ~mended))[:CURVES].tolist()


# What the results rest on


def _code(provenance: dict[str, dict]) -> dict[str, list[str]]:
    """The ids of the code of each stage."""
    found: dict[str, set] = {}
    for told in provenance.values():
        for stage, about in told["stages"].items():
            found.setdefault(stage, set()).update(about["code"])
    return {stage: sorted(ids) for stage, ids in found.items()}


def _seconds(provenance: dict[str, dict]) -> dict[str, dict]:
    """The seconds of all jobs by stage, and how many artifacts they made; each counts once."""
    found: dict[str, dict] = {}
    seen = set()
    for told in provenance.values():
        for stage, about in told["stages"].items():
            for path in about.get("artifacts", {}):
                if path not in seen:
                    seen.add(path)
                    entry = found.setdefault(stage, {"artifacts": 0, "seconds": 0.0})
                    entry["artifacts"] += 1
                    entry["seconds"] += record.read(path)["seconds"]
    return {
        stage: entry | {"seconds": round(entry["seconds"], 1)} for stage, entry in found.items()
    }
