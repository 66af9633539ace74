"""Runs of a set: a split, a variant of the method and a seed, and the settings that hold for each."""

import copy
import re
from dataclasses import dataclass, replace

from pipeline.config.settings import for_set, overlay
from pipeline.errors import PipelineError, nearest

COMPLETE = "complete"  # the method whole, which is what a run without a variant is


@dataclass(frozen=True)
class Run:
    """One training of a method on a split: 'split1', 'split1/baseline', 'split1/seed2', 'split1/baseline/seed2'."""

    split: str
    variant: str = COMPLETE
    seed: int | None = None  # None: the set's own

    @classmethod
    def parse(cls, text: str) -> "Run":
        split, *rest = text.split("/")
        seed = (
            int(rest.pop().removeprefix("seed"))
            if rest and re.fullmatch("seed[0-9]+", rest[-1])
            else None
        )
        return cls(split, *rest, seed=seed)

    def __str__(self) -> str:
        variant = [] if self.variant == COMPLETE else [self.variant]
        return "/".join(
            [self.split, *variant, *([] if self.seed is None else [f"seed{self.seed}"])]
        )

    def streams(self, config: dict) -> "Run":
        """The run whose stream networks this one fuses: its own, or that of the variant that it names."""
        base = _variant(config, self.variant).get("streams")
        return self if base is None else replace(self, variant=base)

    def fuses(self, config: dict) -> bool:
        """Whether there is asynchronous fusion in it; else it is two streams."""
        return self.variant == COMPLETE or "streams" in _variant(config, self.variant)


def for_run(config: dict, name: str, run: Run) -> dict:
    """Settings of a run: the set's, those of the variant whose streams it takes, its variant's, and its seed."""
    merged = for_set(config, name)
    for variant in dict.fromkeys([run.streams(config).variant, run.variant]):
        overlay(merged, copy.deepcopy(_variant(config, variant).get("settings", {})))
    return merged | ({} if run.seed is None else {"seed": run.seed})


def _variant(config: dict, name: str) -> dict:
    variants = {COMPLETE: {}} | config["variants"]
    if name not in variants:
        raise PipelineError(
            f"config.yaml: there is no variant '{name}'; variants are {', '.join(variants)}"
            f"{nearest(name, variants)}"
        )
    return variants[name]
