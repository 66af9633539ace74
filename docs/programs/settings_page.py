"""Write docs/settings.md from the schema of the config and the defaults of config.yaml.

python docs/programs/settings_page.py
"""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "settings.md"
# Sections whose keys are names that a user chooses, and what stands below such a name.
NAMED = {"sets": "set", "variants": "variant"}
HEAD = """\
# Settings

<!-- Written by docs/programs/settings_page.py from the schema of the config and config.yaml. -->

Everything that a run reads stands in `config.yaml`. This page has each of its keys, with the
default and the values that it may have. A file of your own, given by `--configfile`, is laid over
it key by key, so it holds only what is to be otherwise:

```yaml
sets:
  ucf101:
    settings:                # any section below, for this set only
      co2fi: {iterations: 20000}
      idt: {enabled: false}
```

`pipeline check FILE` says whether a file is a config, and where it is not, the line and the nearest
right key. Settings are laid over one another in this order: the sections of `config.yaml`, the
set's own `settings`, `all_sets`, the `settings` of a variant, and its `by_stream` for one stream.
Each of the first three may hold a `by_kind`, which is laid over it for networks of a kind.
What a changed setting makes again stands in [what reruns when](what-reruns-when.md).
"""


def page() -> str:
    """Return the text of the page."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    definitions = schema["$defs"]
    parts = [HEAD]
    for key, found in schema["properties"].items():
        section = _resolved(found, definitions)
        if key in NAMED:
            entry = definitions[NAMED[key]]
            parts.append(_part(f"{key}.<name>", section, entry, None, definitions))
        else:
            parts.append(_part(key, section, section, config.get(key), definitions))
    row, stream = definitions["row"], definitions["of_stream"]
    parts.append(_part("tables.rows", row, row, None, definitions))
    parts.append(_part("settings.by_stream.<stream>", stream, stream, None, definitions))
    return "\n".join(parts)


def _part(name: str, about: dict, section: dict, defaults: object, definitions: dict) -> str:
    """A heading, what the section is, and a table of its keys."""
    lines = [f"## `{name}`", ""]
    if "properties" in section:
        lines += [_sentence(about.get("description", "")), ""]
    if name == "all_sets":
        return "\n".join([*lines, "Its keys are the sections of this page.", ""])
    columns = ["key", "what it is", "values"]
    columns[1:1] = [] if defaults is None else ["default"]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for key, entry, default in _keys(name, section, defaults, definitions):
        cells = [f"`{key}`", _cell(entry.get("description", "")), _values(entry)]
        cells[1:1] = [] if defaults is None else [_default(default)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _keys(name: str, section: dict, defaults: object, definitions: dict):
    """Yield each key with its schema and its default; those of sections in a section by a dot."""
    if "properties" not in section:
        yield name, section, defaults
        return
    for key, found in section["properties"].items():
        entry = _resolved(found, definitions)
        default = (defaults or {}).get(key)
        if key != "settings" and "properties" in entry:
            for inner, of_inner, its_default in _keys(key, entry, default, definitions):
                yield f"{key}.{inner}", of_inner, its_default
        else:
            yield key, entry, default


def _resolved(entry: dict, definitions: dict) -> dict:
    """An entry with what it refers to; its own description goes first."""
    if "$ref" not in entry:
        return entry
    own = {key: value for key, value in entry.items() if key != "$ref"}
    return definitions[entry["$ref"].rpartition("/")[2]] | own


def _values(entry: dict) -> str:
    """The values that a key may have, in words."""
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    kind = entry.get("type", "")
    if kind == "array":
        return f"list of {_values(entry['items'])}"
    if kind == "object" or "$ref" in entry:
        return "keys and values"
    words = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`"}
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    limits |= {"exclusiveMaximum": "below", "multipleOf": "a multiple of"}
    found = [f"{word} {entry[limit]}" for limit, word in limits.items() if limit in entry]
    return ", ".join([words.get(kind, kind), *found])


def _default(value: object) -> str:
    """A default as it would stand in the config; rows of tables are too many."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} rows"
    return f"`{json.dumps(value)}`".replace('"', "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _sentence(text: str) -> str:
    return _cell(text[:1].upper() + text[1:] + ".")


if __name__ == "__main__":
    PAGE.write_text(page())
