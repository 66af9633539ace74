"""A trained network's file, as lines of text: what it is, its size, and how its training went."""

import json
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError

from pipeline.errors import PipelineError, first_line
from pipeline.files import require_intact
from pipeline.report.layout import bytes_text, facts_lines, table_lines
from pipeline.report.text import interval, read_result

# Values of a network that training does not learn by gradients, by the ends of their names.
NOT_LEARNED = ("running_mean", "running_var", "num_batches_tracked", "input_scale", "input_shift")
NAMES = {"teacher": "teacher (CNN_M)", "co2fi": "stream network", "asyn": "fusion network (ASYN)"}


def describe(path: str, width: int = 80, everything: bool = False) -> list[str]:
    """Lines about a .pt file of the pipeline; its classes are cut unless `everything` is wanted.

    Raises PipelineError for a file that is none. Nothing is unpickled but arrays and text.
    """
    about, state = _read(path)
    parts = {}
    for name, values in state.items():
        if not name.endswith(NOT_LEARNED):
            part = name.partition(".")[0]
            arrays, numbers = parts.get(part, (0, 0))
            parts[part] = arrays + 1, numbers + values.numel()
    size = sum(values.numel() * values.element_size() for values in state.values())
    total = sum(numbers for _, numbers in parts.values())
    facts = {
        "network": NAMES.get(about.get("kind"), str(about.get("kind"))),
        **{key: about[key] for key in ("set", "split", "stream", "direction") if key in about},
        "trained on": f"{len(about['clips']):,} clips of {len(about['groups']):,} groups",
        "parameters": f"{total:,}; {bytes_text(size)} in memory",
        "classes": _names(about["classes"], everything),
    }
    rows = [("part", "arrays", "parameters", "")]
    rows += [(part, str(arrays), f"{numbers:,}", "") for part, (arrays, numbers) in parts.items()]
    return [
        path,
        "",
        *facts_lines(facts | _training(Path(path), about), width),
        "",
        *table_lines(rows, "<>>", width),
    ]


def _names(names: list[str], everything: bool) -> str:
    few = names if everything or len(names) <= 4 else [*names[:3], f".. {len(names)} in all"]
    return ", ".join(few)


def _read(path: str) -> tuple[dict, dict]:
    """What a network's file is about, and its arrays by name."""
    import torch

    require_intact(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        about = json.loads(content["about"])
        # What `checkpoint.save` always writes.
        about["clips"], about["groups"], about["classes"]
        return about, dict(content["state"])
    # torch raises exceptions of many types for a file that it did not write.
    except Exception as error:
        raise PipelineError(
            f"{path}: this is a file of PyTorch, and not a network of this pipeline "
            f"({_reason(error)}); name a teacher.pt, co2fi.pt or asyn.pt of a run"
        ) from error


def _reason(error: Exception) -> str:
    # torch's own sentence on it tells how to run what the file holds.
    if isinstance(error, UnpicklingError):
        return "it holds Python objects, and none is unpickled"
    return f"it has no {error}" if isinstance(error, KeyError) else first_line(error)[:100]


def _training(path: Path, about: dict) -> dict[str, str]:
    """How a training went, by the files beside a network, as far as they are there."""
    facts = {}
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        record = json.loads(path.with_suffix(".json").read_text())
        stage, network = record["settings"][about["kind"]], record["settings"].get("network", {})
        if network:
            facts["architecture"] = f"{network['kind']} on {network['backbone']}"
        facts["iterations"] = f"{stage['iterations']:,} of {stage['batch']} samples"
        facts["took"] = f"{record['seconds']:,.0f} s on {record['device']}"
    with suppress(OSError, ValueError, KeyError, TypeError, IndexError):
        lines = path.with_suffix(".history.jsonl").read_text().splitlines()
        first, last = json.loads(lines[0]), json.loads(lines[-1])
        facts["loss"] = (
            f"{first['loss']:.4f} at iteration {first['iteration']:,}, "
            f"{last['loss']:.4f} at {last['iteration']:,}"
        )
    with suppress(PipelineError, KeyError):
        result = read_result(path.parents[1] / "acc.json")
        share = result["accuracy"][about["stream"]]
        if about["kind"] == "co2fi":
            facts["accuracy"] = (
                f"{share:.1%} of {result['clips']:,} test clips, "
                f"95 % interval {interval(share, result['clips'])} %"
            )
    return facts
