"""The command `pipeline report`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError
from pipeline.jobs import program


def report(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT..", help="An acc.json, or the folder that it lies in."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write.")],
) -> None:
    """Write one HTML page of a result, or of several side by side, that needs no network.

    It has accuracies with intervals, classes, confusion, every clip, the instants at which both
    streams peak, class groups, training, the paper's tables, cost and provenance.

    \b
    Examples:
      pipeline report results/demo/split1 --out report.html
      pipeline report results/ucf101/split{1,2,3} --out splits.html
    """
    program.run(lambda: _write(results, out))


def _write(results: list[Path], out: Path) -> None:
    if out.is_dir():
        raise PipelineError(f"{out}: this is a folder; name a file to write")
    # A result that is named in the wrong place is not to be written over.
    if out.suffix.lower() not in (".html", ".htm"):
        raise PipelineError(f"{out}: a page is HTML; let the name end in .html")
    from pipeline.report.layout import bytes_text, visible
    from pipeline.report.page.write import write

    write(results, out)
    typer.echo(visible(f"{out}: {bytes_text(out.stat().st_size)}; open it in a browser"))
