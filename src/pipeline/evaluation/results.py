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
        if not (_is_count(result.get(key)) and result[key]):
            return f"'{key}' is no count"
    for key in SHARES:
        if key == "top5_accuracy" and result.get(key) is None:
            continue
        shares = result.get(key)
        if not isinstance(shares, dict) or not all(map(_is_share, shares.values())):
            return f"'{key}' has no numbers from 0 to 1 by source"
        if not {result["headline"], *result["accuracy"]} <= set(shares):
            return f"'{key}' lacks a source"
    return _class_problem(result) or _data_problem(result.get("data", {}))


def _class_problem(result: dict) -> str:
    """What the accuracies by class have wrong; '' where nothing."""
    classes = result.get("per_class", {})
    if not isinstance(classes, dict):
        return "'per_class' is no object"
    for name, entry in classes.items():
        shares = dict(entry) if isinstance(entry, dict) else {}
        clips = shares.pop("clips", None)
        # A class without test clips has no accuracy.
        fits = _is_share if clips else _is_nothing_or_share
        if not _is_count(clips) or not (
            set(result["accuracy"]) <= set(shares) and all(map(fits, shares.values()))
        ):
            return f"class '{name[:100]}' has no count of clips and numbers from 0 to 1"
    return ""


def _data_problem(data) -> str:
    """What is wrong with the statement of clips that are left out, and of leaks; '' if nothing."""
    parts = [data.get("skipped", {}), data.get("leaks", {})] if isinstance(data, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        return "'data' is no object of objects"
    skipped, leaks = parts
    for part in [skipped, *leaks.values()]:
        if not isinstance(part, dict) or not _is_count(part.get("count", 0)):
            return "'data' has no counts"
    for subset in ("train", "test"):
        names = skipped.get(subset, None if skipped.get("count") else [])
        # A name has its reason beside it.
        if not isinstance(names, dict | list) or not all(isinstance(name, str) for name in names):
            return f"'data' does not name the clips of {subset} that are left out"
    return ""


def _is_count(value) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_nothing_or_share(value) -> bool:
    return value is None or _is_share(value)


def _is_share(value) -> bool:
    # NaN is in no range.
    return type(value) in (int, float) and 0 <= value <= 1
