"""Contents of a result, acc.json, checked before they are shown or put into tables."""

import json

from pipeline.errors import PipelineError, first_line

# Bytes of an acc.json. One of 1,000 classes with a test clip each has some 5 MB.
LARGEST = 64 << 20
# Accuracies by source that a result has; the last is left out where there are few classes.
SHARES = ("accuracy", "mean_class_accuracy", "top5_accuracy")


def parse(content: bytes, path: str) -> dict:
    """The result in the `content` of the file at `path`.

    Raises PipelineError for what is no JSON, or lacks something that every result has, or has
    another type or an impossible number there.
    """
    try:
        result = json.loads(content)
        problem = _problem(result)
    except RecursionError:
        problem = "brackets are nested too deep"
    except ValueError as error:
        problem = first_line(error)
    if problem:
        raise PipelineError(f"{path}: not a result of this program ({problem}); name an acc.json")
    return result


def _problem(result) -> str:
    """What a result lacks or has wrong; '' where it is one."""
    if not isinstance(result, dict):
        return f"it holds {type(result).__name__}, not an object"
    for key in ("set", "split", "headline"):
        if not isinstance(result.get(key), str):
            return f"'{key}' is no text"
    for key in ("clips", "classes"):
        if not _is_count(result.get(key)):
            return f"'{key}' is no count"
    for key in SHARES:
        if key == "top5_accuracy" and result.get(key) is None:
            continue
        shares = result.get(key)
        if not isinstance(shares, dict) or not all(map(_is_share, shares.values())):
            return f"'{key}' has no numbers from 0 to 1 by source"
        if not {result["headline"], *result["accuracy"]} <= set(shares):
            return f"'{key}' lacks a source"
    return _class_problem(result.get("per_class", {}))


def _class_problem(classes) -> str:
    """What the accuracies by class have wrong; '' where nothing."""
    if not isinstance(classes, dict):
        return "'per_class' is no object"
    for name, entry in classes.items():
        shares = dict(entry) if isinstance(entry, dict) else {}
        if not _is_count(shares.pop("clips", None)) or not all(
            share is None or _is_share(share) for share in shares.values()
        ):
            return f"class '{name[:100]}' has no count of clips and numbers from 0 to 1"
    return ""


def _is_count(value) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_share(value) -> bool:
    # NaN is in no range.
    return type(value) in (int, float) and 0 <= value <= 1
