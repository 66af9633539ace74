"""Load a data set of the config: the one module that knows every format of split lists.

Standard library only: the Snakefile imports this module.
"""

from pathlib import Path

from pipeline.datasets import demo, hmdb51, ucf101
from pipeline.datasets.clips import ClipSet
from pipeline.datasets.split_lists import check_counts


def skips_bad(settings: dict) -> bool:
    """Whether a set is used without the clips that cannot be, by its entry in the config."""
    return settings.get("on_bad_clip") == "skip"


def load_set(name: str, settings: dict) -> ClipSet:
    """Return the clips, classes and splits of the data set `name`.

    `settings` is the entry of the set under `sets` of the config.

    Raises PipelineError when lists are missing, malformed or unsound, or when a split has other
    numbers of clips than `counts` of the settings.
    """
    if settings["format"] == "demo":
        return demo.clip_set(name, settings["groups"], settings["clips"])
    folder = Path(settings["lists"])
    if settings["format"] == "hmdb51":
        clip_set = hmdb51.read(name, folder)
    else:
        clip_set = ucf101.read(name, folder, settings.get("group", ucf101.GROUP))
    check_counts(clip_set, settings.get("counts", {}), folder)
    return clip_set
