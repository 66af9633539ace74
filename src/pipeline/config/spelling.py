"""What the text of config files says, and what YAML 1.1 makes of it without a word.

YAML reads the names 2024, no and 2024-01-01 as a number, a truth value and a date, 010 as 8, 1:30
as 90, and of a key that stands twice it takes the last. Standard library and yaml only: the
Snakefile imports this module.
"""

import datetime
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from pipeline.errors import PipelineError, first_line, require

# Sections whose keys are names that a user gives.
NAMED = ("sets", "variants")
# Numbers that are not what they look like: octal, and to the base 60.
LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
# The loader in C where there is one: it is ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def restore(config: dict, paths: Iterable[str | Path]) -> None:
    """Give the sets and variants of a config, in place, the names that its files spell.

    `paths` are the files that the config was merged from.

    Raises PipelineError with one line per key that stands twice, per number that YAML takes for
    another one, and per name that is spelt in several ways.
    """
    problems, spelt = [], {}
    for path in paths:
        try:
            root = _compose(Path(path))
        except PipelineError:
            # It was read by other means, or is a template.
            continue
        problems += _problems(root, path)
        for section, key, text in _names(root):
            spelt.setdefault((section, type(key), key), set()).add(text)
    for section in NAMED:
        if isinstance(config.get(section), dict):
            problems += _rename(config[section], section, spelt)
    require(problems)


def read(path: Path) -> dict:
    """Read one config file as Snakemake does, and name its problems as `restore` does.

    Raises PipelineError, with file and line where the text is not YAML.
    """
    root = _compose(path)
    require(_problems(root, path))
    try:
        config = yaml.load(_read_text(path), Loader=yaml.FullLoader)
    # It is YAML, but no Python can hold it: a mapping as a key, or a tag that nothing reads.
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise PipelineError(f"{path}: not a config ({first_line(error)}); correct it") from error
    if not isinstance(config, dict):
        raise PipelineError(f"{path}: no keys at its top level; write '<key>: <value>' there")
    restore(config, [path])
    return config


def _read_text(path: Path) -> str:
    """Return the text of a config file, which Snakemake reads as UTF-8."""
    if path.exists() and not path.is_file():
        raise PipelineError(f"{path}: no regular file; name a config file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PipelineError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); write it as UTF-8"
        ) from error
    except OSError as error:
        raise PipelineError(
            f"{path}: the config cannot be read ({error.strerror}); correct the path"
        ) from error


def _compose(path: Path) -> yaml.Node | None:
    """Return a config file as YAML's nodes, which know their text; None where it is empty."""
    try:
        return yaml.compose(_read_text(path), Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        context = f", {error.context}" if error.context else ""
        raise PipelineError(
            f"{path}{where}: not YAML ({error.problem}{context}); correct this line or one before "
            "it: mind brackets, indentation (blanks, no tabs), and quotes around ': ' and ' #'"
        ) from error
    except yaml.YAMLError as error:
        raise PipelineError(f"{path}: not YAML ({first_line(error)}); correct it") from error


def _problems(root: yaml.Node | None, path: str | Path) -> list[str]:
    """Return a problem for every key that stands twice and every number that misleads."""
    problems = []
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            first: dict[tuple, yaml.Node] = {}
            for key, value in node.value:
                before = first.setdefault((key.tag, str(key.value)), key)
                if before is not key:
                    problems.append(
                        f"{path}:{key.start_mark.line + 1}: '{key.value}' stands in line "
                        f"{before.start_mark.line + 1}, too; remove one"
                    )
                problems += _misleading(value, path)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                problems += _misleading(value, path)
    return problems


def _misleading(node: yaml.Node, path: str | Path) -> list[str]:
    """Return a problem for a number that YAML takes for another one."""
    is_plain = isinstance(node, yaml.ScalarNode) and not node.style
    if not is_plain or not node.tag.endswith((":int", ":float")):
        return []
    if not LEADING_ZERO.fullmatch(node.value) and ":" not in node.value:
        return []
    return [
        f"{path}:{node.start_mark.line + 1}: YAML reads {node.value} as {_value(node)}; write the "
        "number in decimals without leading zeros, or in quotes if it is a name"
    ]


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Yield every node once: a node may stand in several places, even in itself."""
    seen, waiting = set(), [root] if root else []
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _names(root: yaml.Node | None) -> Iterator[tuple[str, object, str]]:
    """Yield section, key as YAML reads it, and key as it is spelt, of the sections NAMED."""
    if not isinstance(root, yaml.MappingNode):
        return
    for section, value in root.value:
        if section.value in NAMED and isinstance(value, yaml.MappingNode):
            for key, _ in value.value:
                if isinstance(key, yaml.ScalarNode) and not key.style:
                    yield section.value, _value(key), key.value


def _value(node: yaml.ScalarNode):
    """What YAML makes of a scalar without quotes."""
    return yaml.load(node.value, Loader=yaml.FullLoader)


def _rename(names: dict, section: str, spelt: dict) -> list[str]:
    """Spell the keys of a section, in place, as its files do; returns what is wrong with some."""
    problems, renamed = [], {}
    for key, entry in names.items():
        texts = spelt.get((section, type(key), key), set())
        if isinstance(key, str):
            text = key
        elif len(texts) == 1:
            text = next(iter(texts))
        elif type(key) is int and not texts:
            text = str(key)
        else:
            shown = key.isoformat() if isinstance(key, datetime.date) else repr(key)
            among = f" ({', '.join(sorted(texts))})" if texts else ""
            problems.append(
                f"{section}: YAML reads a name as {shown}{among}; write the name in quotes"
            )
            continue
        if text in renamed:
            problems.append(f"{section}: the name '{text}' stands twice; remove one")
        renamed[text] = entry
    if not problems:
        names.clear()
        names.update(renamed)
    return problems
