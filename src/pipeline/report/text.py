"""?"""

import json
from pathlib import Path

from pipeline.errors import PipelineError

NAMES = {
    "appearance": "appearance (CO2FI)",
    "motion": "motion (CO2FI)",
    "two_stream": "two-stream (sum)",
    "asyn": "asynchronous fusion",
    "idt": "trajectories (IDT)",
    "asyn_idt": "asynchronous fusion + IDT",
}


def read_result(path: str | Path) -> dict:
    """Read an acc.json. Raises PipelineError when it is missing or none."""
    try:
        result = json.loads(Path(path).read_text())
        result["accuracy"][result["headline"]]  # what the least of results has
        return result
    except FileNotFoundError:
        raise PipelineError(
            f"{path}: there is no such result; make it with: snakemake --cores all '{path}'"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PipelineError(f"{path}: not a result of this program; name an acc.json") from None


def result_lines(result: dict) -> str:
    """The accuracies of a result as lines of text, the headline marked."""
    lines = [
        f"{result['set']} {result['split']}: {result['clips']} test clips, {result['classes']} classes",
        f"{'':26}  accuracy  mean class  top 5",
    ]
    for source, share in result["accuracy"].items():
        mark = "  <- the result" if source == result["headline"] else ""
        lines.append(
            f"{NAMES.get(source, source):26} {share:8.1%}  {result['mean_class_accuracy'][source]:9.1%} "
            f"{result['top5_accuracy'][source]:6.1%}{mark}"
        )
    return "\n".join(lines)
