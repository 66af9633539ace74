"""Runs of a data set: a split, a variant of the method and a seed, with the settings of each.

Standard library only: the Snakefile imports this module.
"""

import copy
import re
from dataclasses import dataclass, replace

from pipeline.config.settings import for_set, kind_of, overlay
from pipeline.errors import PipelineError, nearest

# The variant of a run that names none: the whole method.
COMPLETE = "complete"


@dataclass(frozen=True)
class Run:
    """One training run of a variant of the method on a split.

    Its text is a path: 'split1', 'split1/baseline', 'split1/seed2' or 'split1/baseline/seed2'.
    """

    split: str
    variant: str = COMPLETE
    # None stands for the seed in the settings of the data set.
    seed: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Run":
        """Return the run whose text is `text`; the inverse of `str`."""
        split, *rest = text.split("/")
        seed = None
        if rest and re.fullmatch("seed[0-9]+", rest[-1]):
            seed = int(rest.pop().removeprefix("seed"))
        return cls(split, *rest, seed=seed)

    def __str__(self) -> str:
        variant = [] if self.variant == COMPLETE else [self.variant]
        seed = [] if self.seed is None else [f"seed{self.seed}"]
        return "/".join([self.split, *variant, *seed])

    def streams(self, config: dict) -> "Run":
        """Return the run that trains the stream networks which this run fuses.

        It is this run itself, unless its variant names another variant as its `streams`.

        Raises PipelineError when `config` does not have the variant.
        """
        base = _variant(config, self.variant).get("streams")
        return self if base is None else replace(self, variant=base)

    def fuses(self, config: dict) -> bool:
        """Return whether the run has asynchronous fusion; a run without it has two streams only.

        Raises PipelineError when `config` does not have the variant.
        """
        return self.variant == COMPLETE or "streams" in _variant(config, self.variant)


def for_run(config: dict, name: str, run: Run) -> dict:
    """Return the settings of a run on the data set `name`.

    The settings of the set, for the kind of the networks, are overridden by those of the variant
    whose stream networks the run takes, then by those of its own variant, then by its seed.

    Raises PipelineError when `config` does not have the set or the variant.
    """
    # A run that trains its own stream networks has one variant here, not two.
    variants = dict.fromkeys([run.streams(config).variant, run.variant])
    laid_over = [_variant(config, variant).get("settings", {}) for variant in variants]
    merged = for_set(config, name, kind_of(laid_over))
    for own in laid_over:
        overlay(merged, copy.deepcopy(own))
    return merged | ({} if run.seed is None else {"seed": run.seed})


def for_stream(settings: dict, stream: str) -> dict:
    """Return the settings that the network of a stream is trained alone with.

    They are the `settings` of a run, overridden by those of its section by_stream, if it has one.
    """
    own = {key: value for key, value in settings.items() if key != "by_stream"}
    return overlay(copy.deepcopy(own), copy.deepcopy(settings.get("by_stream", {}).get(stream, {})))


def _variant(config: dict, name: str) -> dict:
    """Return the entry of a variant; that of the whole method is empty."""
    variants = {COMPLETE: {}} | config["variants"]
    if name not in variants:
        raise PipelineError(
            f"there is no variant '{name}'; variants are {', '.join(variants)}"
            f"{nearest(name, variants)}"
        )
    return variants[name]
