"""What the rows of a part rest on: their runs, and the settings that predictions depend on."""

from evidence_parts import CONFIGS, Part, config_files, config_of
from evidence_rows import COMPLETE

from pipeline.config import check, kinds, settings
from pipeline.config.runs import Run

# Settings that change no prediction, or are told by content where a result states them.
_UNUSED = ("tables", "limits", "compute")


def part_runs(config: dict, name: str, split: str, seed: int) -> dict[str, Run]:
    """The run of each variant of the config on one fold with one seed, as tables name it."""
    own = None if seed == settings.for_set(config, name)["seed"] else seed
    return {variant: Run(split, variant, own) for variant in (COMPLETE, *config["variants"])}


def relevant(own: dict) -> dict:
    """What of a run's settings its predictions depend on, files of weights left out."""
    kept = {key: value for key, value in own.items() if key not in _UNUSED and key != "set"}
    # The same file has another name, or none yet, elsewhere.
    for section in {"network", "teacher"} & own.keys():
        kept[section] = {key: value for key, value in own[section].items() if key != "weights"}
    return settings.canonical(kept)


def expected_settings(config: dict, name: str, split: str, seed: int, classes: int) -> dict:
    """By variant the settings that a part's runs have by the config as it is now."""
    return {
        variant: relevant(check.check_run(config, name, run, classes))
        for variant, run in part_runs(config, name, split, seed).items()
    }


def same_settings(part: dict, variant: str, expected: dict) -> bool:
    """Whether the content of a part has a row by the settings that are expected of it.

    What it does not rest on is not compared.
    """
    own = part["settings"].get(variant)
    return bool(own) and _rests_on(relevant(own)) == _rests_on(expected[variant])


def _rests_on(own: dict) -> dict:
    """What of a run's settings its networks read, and the teacher where they learn of it."""
    teacher = {"teacher": own["teacher"]} if kinds.has_teacher(own) else {}
    return kinds.read_by_networks(own) | teacher


def other_settings(part: Part) -> list[str]:
    """The rows of a part that were made by other settings than its set has now, or that it has no
    more.

    None of a set that has no config here.
    """
    name, split, seed = part.content["set"], part.split, part.seed
    if not (CONFIGS / f"{name}.yaml").is_file():
        return []
    config, classes = config_of(name, config_files(name, split, seed)), part.content["classes"]
    expected = expected_settings(config, name, split, seed, len(classes))
    return [
        row
        for row in part.content["settings"]
        if row not in expected or not same_settings(part.content, row, expected)
    ]
