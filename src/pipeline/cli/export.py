"""The command `pipeline export`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError
from pipeline.jobs import program


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="An acc.json of a finished run, or its folder.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
) -> None:
    """Pack a trained run into one file, with which 'pipeline predict' needs no data set.

    It holds weights as safetensors, settings, classes, and a model card with the run's numbers.

    Example: pipeline export results/demo/split1 --out demo.run
    """
    program.run(lambda: _export(run, out))


def _export(run: Path, out: Path) -> None:
    if out.is_dir():
        raise PipelineError(f"{out}: this is a folder; name a file to write")
    from pipeline.inference import packed
    from pipeline.report import trained_runs
    from pipeline.report.layout import bytes_text, visible
    from pipeline.report.model_card import model_card

    trained = trained_runs.read(run)
    packed.write(trained, out, model_card(trained))
    typer.echo(
        visible(
            f"{out}: {trained.name}, {len(trained.classes)} classes, "
            f"{', '.join(trained.sources)}, {bytes_text(out.stat().st_size)}"
        )
    )
    typer.echo(f"use it  pipeline predict {out} VIDEO")
