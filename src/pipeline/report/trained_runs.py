"""Trained runs by their paths: a result, its folder, or an export."""

import json
from pathlib import Path

import pipeline
from pipeline.config.settings import overlay
from pipeline.errors import PipelineError, listed
from pipeline.evaluation import fusion, results
from pipeline.evaluation.score_files import read_scores
from pipeline.inference import packed
from pipeline.inference import trained as trained_module
from pipeline.inference.trained import Trained
from pipeline.jobs import record
from pipeline.jobs.code_id import code_id
from pipeline.report.text import read_result

# The programs of the stages that a prediction repeats; an installed package has none of them.
PROGRAMS = Path(pipeline.__path__[0]).parents[1] / "workflow" / "scripts"
# Programs by the stage that they make, where several do, or their name is another.
MAKERS = {"scores": ("scores", "idt_scores", "idt_given")}
# Packages whose versions a prediction depends on in the last bits.
PACKAGES = ("numpy", "opencv-contrib-python", "imagecodecs", "torch")


def read(path: Path) -> Trained:
    """The trained run at `path`: an acc.json, its folder, or a file of `pipeline export`.

    Raises PipelineError where there is none, or a file of it is missing, damaged or not its own.
    """
    if not path.exists():
        raise PipelineError(
            f"{path}: there is no such run; name results/<set>/<split> of a finished run, its "
            "acc.json, or a file of 'pipeline export'"
        )
    if packed.is_packed(path):
        found = packed.read(path)
        # What it says of its result is as much somebody's as a result is.
        results.parse(json.dumps(found.result).encode(), str(path))
        return found
    if path.is_dir():
        if not (path / "acc.json").is_file():
            raise PipelineError(
                f"{path}: there is no acc.json in this folder; name the folder of a finished run, "
                "results/<set>/<split>, or a file of 'pipeline export'"
            )
        path = path / "acc.json"
    result = read_result(path)
    return trained_module.of_run(result, path, _fusion(result, path))


def _fusion(result: dict, path: Path) -> dict:
    """How a result fuses scores, with the spreads over its test clips.

    Results before 'fusion' was among what they state, or had the spread of the directions' sum,
    have their score files to tell.
    """
    stated = result.get("fusion")
    names = trained_module.networks(result, path)
    idt = trained_module.has_idt(result, path)
    if isinstance(stated, dict) and (
        stated.get("rule") == "paper" or not idt or "asyn" in stated.get("spreads", {})
    ):
        return stated
    files = {name: path.parent / name / "scores.h5" for name in names}
    if idt:
        files["idt"] = trained_module.split_folder(path, result) / "idt" / "scores.h5"
    sources = {name: read_scores(str(file)) for name, file in files.items()}
    settings = trained_module.settings_of(result, path)["fusion"]
    measured = fusion.fuse(fusion.align(sources), settings).about
    return overlay(measured, stated or {})


def notes(trained: Trained) -> list[str]:
    """What differs between the program that made a run and this one, as far as is known."""
    found = []
    changed = [
        stage
        for stage, codes in trained.made["code"].items()
        if (here := _codes_here(stage)) and not set(codes) <= here
    ]
    if changed:
        found.append(
            f"other code made this run ({listed(changed)}), so scores may differ from those of its "
            "test clips"
        )
    versions = record.versions()
    packages = [
        f"{name} {made} (here {versions.get(name)})"
        for name in PACKAGES
        if (made := trained.made["packages"].get(name)) not in (None, versions.get(name))
    ]
    if packages:
        found.append(f"this run was made with {', '.join(packages)}: last bits may differ")
    return found


def _codes_here(stage: str) -> set[str]:
    """The code ids of the programs that make a stage; none where they are not installed."""
    programs = (PROGRAMS / f"{name}.py" for name in MAKERS.get(stage, (stage,)))
    return {code_id(program) for program in programs if program.is_file()}
