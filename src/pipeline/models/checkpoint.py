"""Files of trained networks: weights, and what they were trained on."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from pipeline.errors import PipelineError, first_line, remake
from pipeline.files import replacing


def save(path: str | Path, model: nn.Module, rows: Sequence[dict] = (), **about) -> None:
    """Write a model's weights with what it is about (set, split, stream or direction, classes, code ..).

    `rows` of the index are the clips that it was trained on; `load` refuses to have them scored.
    """
    about |= {
        "clips": sorted(row["clip"] for row in rows),
        "groups": sorted({row["group"] for row in rows}),
    }
    buffer = io.BytesIO()  # and not the file itself, whose name torch would write into it
    torch.save({"about": json.dumps(about, sort_keys=True), "state": model.state_dict()}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def classes_of(path: str | Path) -> list[str]:
    """The classes that a model tells apart, in the order of its logits."""
    return _read(path)[0]["classes"]


def load(path: str | Path, model: nn.Module, unseen: Sequence[dict] = (), **expected) -> nn.Module:
    """Read weights into `model`; raises PipelineError for a file of another set, split, stream, .. than `expected`.

    A model that trained on one split has seen the test clips of the others: scores of 99 % that mean nothing. So the
    rows `unseen`, to be scored, may be neither among the clips that it was trained on nor of their groups (scenes).
    """
    about, state = _read(path)
    for key, value in expected.items():
        if about.get(key) != value:
            raise PipelineError(
                f"{path}: a model for {key} {about.get(key)!r}, but {value!r} is wanted; use the model "
                "that was trained for it"
            )
    clips, groups = set(about["clips"]), set(about["groups"])
    seen = [row["clip"] for row in unseen if row["clip"] in clips or row["group"] in groups]
    if seen:
        raise PipelineError(
            f"{path}: this model of set {about.get('set')!r}, split {about.get('split')!r} was trained on "
            f"{len(seen)} of the {len(unseen)} clips to be scored, or on others of their groups: "
            f"{', '.join(seen[:3])}{' ..' if seen[3:] else ''}; score clips that it has not seen"
        )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise PipelineError(
            f"{path}: weights of a network of another size ({str(error).splitlines()[-1].strip()}); "
            f"{remake(path)}"
        ) from error
    return model


def _read(path: str | Path) -> tuple[dict, dict]:
    """What a model file says of itself, and its weights."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        about = json.loads(content["about"])
        about["clips"], about["groups"]  # what the least of models says
        return about, content["state"]
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise PipelineError(
            f"{path}: not a model of this program ({first_line(error)}); {remake(path)}"
        ) from error
