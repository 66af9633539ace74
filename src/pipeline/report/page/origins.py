"""What a result rests on: versions, code, seeds, and settings that differ from the defaults."""

import json

from pipeline.config import shipped, spelling
from pipeline.config.settings import canonical, for_set
from pipeline.report.layout import visible
from pipeline.report.page.found import Found


def origins(found: Found) -> dict:
    """Provenance for people. Raises PipelineError where the result does not state it."""
    provenance, config = found.provenance, found.config
    own = config.get("set", {})
    return {
        "file": visible(str(found.path)),
        "seed": provenance.get("seed"),
        "python": provenance.get("python"),
        "packages": dict(provenance.get("packages", {})),
        "set": {key: _text(value) for key, value in own.items() if key != "settings"},
        "code": {
            stage: list(map(str, about.get("code", [])))
            for stage, about in provenance.get("stages", {}).items()
        },
        "differences": differences(config, found.result["set"]),
        "config": json.dumps(config, indent=1, sort_keys=True),
    }


def differences(config: dict, name: str) -> list[dict] | None:
    """The settings of a run that are not the defaults: key, default and its own value as text.

    None where the defaults are not installed with the program.
    """
    if not shipped.DEFAULTS.is_file():
        return None
    given = spelling.read(shipped.DEFAULTS)
    # Without the settings of the set itself, which differ from the defaults as a user's do.
    defaults = _flat(canonical(for_set(given | {"sets": {name: {}}}, name)))
    own = _flat(canonical({key: value for key, value in config.items() if key != "set"}))
    return [
        {
            "key": key,
            "default": _text(defaults[key]) if key in defaults else None,
            "own": _text(value),
        }
        for key, value in sorted(own.items())
        if key not in defaults or defaults[key] != value
    ]


def _flat(settings: dict, prefix: str = "") -> dict:
    """Nested settings by the path of their keys: {'flow.bound': 20}."""
    found = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
