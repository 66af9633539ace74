"""A set of the config, whatever the format of its lists (standard library only)."""

from pathlib import Path

from pipeline.datasets import demo, hmdb51, ucf101
from pipeline.datasets.clips import ClipSet, check_counts


def load_set(name: str, settings: dict) -> ClipSet:
    """The clips, classes and splits of set `name`; `settings` is its entry in the config."""
    if settings["format"] == "demo":
        return demo.clip_set(name, settings["groups"], settings["clips"])
    folder = Path(settings["lists"])
    if settings["format"] == "hmdb51":
        clip_set = hmdb51.read(name, folder)
    else:
        clip_set = ucf101.read(name, folder, settings.get("group", ucf101.GROUP))
    check_counts(clip_set, settings.get("counts", {}), folder)
    return clip_set
