"""Files of trained networks: their weights, and what they were trained on."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from pipeline.errors import PipelineError, first_line, set_aside
from pipeline.files import replacing, require_intact


def save_torch(path: str | Path, content: object) -> None:
    """Write `content` with torch.save; a file at `path` is complete at any time.

    Equal content gives equal bytes, whatever the name of the file.
    """
    # torch.save would write the name of a file into it, but a buffer has none.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def save(path: str | Path, model: nn.Module, rows: Sequence[dict] = (), **about) -> None:
    """Write a model's weights and what it is `about`: its kind, set, split, stream, classes, ...

    `rows` of the index are the clips that the model was trained on; `load` refuses to have them
    scored.
    """
    about |= {
        "clips": sorted(row["clip"] for row in rows),
        "groups": sorted({row["group"] for row in rows}),
    }
    save_torch(path, {"about": json.dumps(about, sort_keys=True), "state": model.state_dict()})


def classes_of(path: str | Path) -> list[str]:
    """Return the names of a model's classes in the order of its logits."""
    about, _ = _read(path)
    return about["classes"]


def load(path: str | Path, model: nn.Module, unseen: Sequence[dict] = (), **expected) -> nn.Module:
    """Load the weights at `path` into `model` and return it.

    `expected` says what the file must be about, such as its set, split and stream. `unseen` are
    the rows of the index to be scored: none of them may be among the clips that the model was
    trained on, nor belong to their groups (scenes). A model of one split has seen test clips of
    the other splits, and scores of clips seen in training mean nothing.

    Raises PipelineError for a file that is no model, is about something else, has seen a clip of
    `unseen`, or does not fit `model`.
    """
    about, state = _read(path)
    for key, value in expected.items():
        if about.get(key) != value:
            raise PipelineError(
                f"{path}: a model for {key} {about.get(key)!r}, but {value!r} is wanted; use the "
                "model that was trained for it"
            )
    _check_unseen(path, about, unseen)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise PipelineError(
            f"{path}: weights of a network of another size "
            f"({str(error).splitlines()[-1].strip()}); {set_aside(path)}"
        ) from error
    return model


def _check_unseen(path: str | Path, about: dict, rows: Sequence[dict]) -> None:
    """Raise PipelineError where the model was trained on clips of `rows` or of their groups."""
    clips, groups = set(about["clips"]), set(about["groups"])
    seen = [row["clip"] for row in rows if row["clip"] in clips or row["group"] in groups]
    if seen:
        raise PipelineError(
            f"{path}: this model of set {about.get('set')!r}, split {about.get('split')!r} was "
            f"trained on {len(seen)} of the {len(rows)} clips to be scored, or on others of their "
            f"groups: {', '.join(seen[:3])}{' ..' if seen[3:] else ''}; score clips that it has "
            "not seen"
        )


def _read(path: str | Path) -> tuple[dict, dict]:
    """Return what a model file is about, and its weights."""
    # Neither torch nor the zip archive that it writes checks what it reads.
    require_intact(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        about = json.loads(content["about"])
        # `save` always writes these two.
        about["clips"], about["groups"]
        return about, content["state"]
    # torch raises exceptions of many types for a file that it did not write.
    except Exception as error:
        raise PipelineError(
            f"{path}: not a model of this program ({first_line(error)}); {set_aside(path)}"
        ) from error
