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


def spans_classes(settings: dict) -> bool:
    """Whether the group names of a set, by its entry in the config, mean the same in all classes.

    UCF101's g01 is another scene in each class. HMDB51's are source films, and what a set's own
    pattern picks is a person or a place.
    """
    if settings["format"] == "ucf101":
        return settings.get("group", ucf101.GROUP) != ucf101.GROUP
    return settings["format"] == "hmdb51"


def load_set(name: str, settings: dict) -> ClipSet:
    """Return the clips, classes and splits of the data set `name`.

    `settings` is the entry of the set under `sets` of the config.

    Raises PipelineError when lists are missing, malformed or unsound, or when a split has other
    numbers of clips than `counts` of the settings.
    """
    if settings["format"] == "demo":
        return demo.clip_set(name, settings["groups"], settings["clips"])
    folder, accepts = Path(settings["lists"]), settings.get("accept_leaks", False)
    if settings["format"] == "hmdb51":
        clip_set = hmdb51.read(name, folder, accepts)
    else:
        clip_set = ucf101.read(name, folder, settings.get("group", ucf101.GROUP), accepts)
    check_counts(clip_set, settings.get("counts", {}), folder)
    return clip_set
