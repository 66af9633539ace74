"""A result, acc.json, as lines of text."""

import json
from pathlib import Path

from pipeline.errors import PipelineError

# What people call the sources of a result.
NAMES = {
    "appearance": "appearance (CO2FI)",
    "motion": "motion (CO2FI)",
    "two_stream": "two-stream (sum)",
    "asyn": "asynchronous fusion",
    "idt": "trajectories (IDT)",
    "asyn_idt": "asynchronous fusion + IDT",
}


def read_result(path: str | Path) -> dict:
    """Read an acc.json. Raises PipelineError when it is missing, or another file."""
    try:
        result = json.loads(Path(path).read_text())
        # Every result has the accuracy of its headline.
        result["accuracy"][result["headline"]]
        return result
    except FileNotFoundError:
        raise PipelineError(
            f"{path}: there is no such result; make it with: snakemake --cores all '{path}'"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PipelineError(f"{path}: not a result of this program; name an acc.json") from None


def result_lines(result: dict) -> str:
    """The accuracies of a result as lines of text, the headline marked."""
    # Sets of few classes have none.
    top5 = result.get("top5_accuracy")
    lines = [
        f"{result['set']} {result['split']}: {result['clips']} test clips, "
        f"{result['classes']} classes",
        f"{'':26}  accuracy  mean class" + ("  top 5" if top5 else ""),
    ]
    for source, accuracy in result["accuracy"].items():
        mark = "  <- the result" if source == result["headline"] else ""
        mean, top = result["mean_class_accuracy"][source], f" {top5[source]:6.1%}" if top5 else ""
        lines.append(f"{NAMES.get(source, source):26} {accuracy:8.1%}  {mean:9.1%}{top}{mark}")
    return "\n".join(lines)
