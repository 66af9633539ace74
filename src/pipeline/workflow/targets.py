"""Targets that no rule makes, and what was meant by them.

Standard library only: the Snakefile imports this module.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from pipeline.errors import require
from pipeline.streams import DIRECTIONS, STORES, STREAMS

# A wildcard of a rule, which may have a constraint with braces of its own.
WILDCARD = re.compile(r"\{(\w+)(?:,(?:[^{}]|\{[^{}]*\})*)?\}")
RESULT = "acc.json"
# The share of letters that a target and its nearest have in common at least.
LIKENESS = 0.6


def check(targets: Iterable[str], workflow, config: dict) -> None:
    """Raise PipelineError for targets of a command that are neither rules nor made by one.

    `workflow` is Snakemake's, when all its rules are known.
    """
    known = [rule for rule in workflow.rules if rule.products()]
    problems = []
    for target in sorted(map(str, targets)):
        if not workflow.is_rule(target) and not _makers(os.path.normpath(target), known):
            found = nearest(target, known, config)
            hint = f"did you mean {found}?" if found else _example(config)
            problems.append(f"{target}: nothing makes this file; {hint}")
    require(problems)


def nearest(target: str, rules: list, config: dict) -> str:
    """Return the target that was meant by one that no rule makes; '' where none is near."""
    # Paths from elsewhere, './', '//' and a last '/' are no part of a target.
    parts = [part for part in target.split("/") if part not in ("", ".")] or [RESULT]
    if "results" in parts:
        parts = parts[parts.index("results") :]
    plain = "/".join(parts)
    folder = [plain, f"{plain}/{RESULT}", f"{plain}/split1/{RESULT}"]
    for meant in folder if parts[:1] == ["results"] else []:
        if _is_known(meant, config) and _makers(meant, rules):
            return meant
    candidates = list(dict.fromkeys(_candidates(plain, rules, config)))
    # The end of a path, such as 'demo/split1/acc.json' or 'acc.json'.
    ends = [each for each in candidates if each.endswith(f"/{plain}")]
    if ends:
        return ends[0]
    like = plain if "." in parts[-1] else f"{plain}/{RESULT}"
    found = difflib.get_close_matches(like, candidates, 1, LIKENESS)
    return found[0] if found else ""


def _makers(target: str, rules: list) -> list:
    return [rule for rule in rules if rule.is_producer(target)]


def _is_known(target: str, config: dict) -> bool:
    """Whether a target is one of a set that there is."""
    return target.split("/")[1:2] != [] and target.split("/")[1] in config["sets"]


def _candidates(target: str, rules: list, config: dict) -> Iterator[str]:
    """Yield what the rules make for all sets and variants, of the split, seed and shard of a
    target.
    """
    split = _first(r"split\d+", target, "split1")
    seed = _first(r"/seed\d+", target, "")
    variants = [f"{split}/{name}{seed}" for name in config["variants"]]
    values = {
        "set": _sets(config),
        "split": [split],
        "run": [f"{split}{seed}", *variants],
        "shard": [_first(r"\d{3,}", target, "000")],
        "stream": STREAMS,
        "direction": DIRECTIONS,
        "subset": ("train", "test"),
        "store": STORES.values(),
    }
    patterns = {str(file) for rule in rules for file in rule.products()}
    # Logs and tables of time are made beside what one asks for.
    for pattern in sorted(patterns):
        if not pattern.startswith("results/") or "/logs/" in pattern or "/benchmarks/" in pattern:
            continue
        names = list(dict.fromkeys(WILDCARD.findall(pattern)))
        for chosen in product(*(values.get(name, [""]) for name in names)):
            filled = dict(zip(names, chosen, strict=True))
            yield WILDCARD.sub(lambda found, filled=filled: filled[found[1]], pattern)


def _first(pattern: str, text: str, default: str) -> str:
    found = re.search(pattern, text)
    return found[0] if found else default


def _sets(config: dict) -> list[str]:
    """The sets, first those whose videos are there."""
    sets = config["sets"]
    return sorted(sets, key=lambda name: not Path(sets[name]["videos"]).is_dir())


def _example(config: dict) -> str:
    return f"targets are such as results/{_sets(config)[0]}/split1/{RESULT}"
