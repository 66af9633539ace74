"""What a result rests on: its config, and the records of every stage."""

import platform
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import PipelineError, set_aside
from pipeline.jobs.record import read, versions
from pipeline.storage.layout import flow_of
from pipeline.streams import STORES

# What every record says.
KEYS = ("stage", "digest", "code", "seconds")


def shard_records(
    results: str | Path, train: Iterable[str], test: Iterable[str], codebook: str | Path | None
) -> list[str]:
    """The records of a split's shards: of frames and flow, and of trajectories with a codebook.

    `results` is the folder of the set, `train` and `test` are the shards of the split's clips, and
    `codebook` is the codebook's record, None where trajectories are not part of the result.
    """
    train_shards, shards = sorted(set(train)), sorted({*train, *test})
    records = [f"{results}/{store}/{shard}.json" for store in STORES.values() for shard in shards]
    if codebook is not None:
        # The codebook is learnt from training clips; vectors are encoded of all clips.
        records += [f"{results}/idt/{shard}.json" for shard in train_shards]
        records += [f"{Path(codebook).parent}/fisher/{shard}.json" for shard in shards]
    return records


def provenance(records: list[str], config: dict, code: str) -> dict:
    """The config of a result, versions, and for each stage what its `records` say.

    `records` are paths; a stage has its code ids, devices and flow solvers, the settings that its
    artifacts were made with, its wall time in seconds, and the digest of each artifact by the path
    of its record. `code` is the id of the program that fuses.
    Raises PipelineError when the flow comes from more than one solver, and for what is no record.
    """
    stages: dict[str, dict] = {}
    for path in records:
        content = read(path)
        if absent := [key for key in KEYS if key not in content]:
            raise PipelineError(
                f"{path}: a record without {', '.join(absent)}, not one of this program; "
                f"{set_aside(path)}"
            )
        stage = stages.setdefault(
            content["stage"],
            {
                "code": [],
                "device": [],
                "solver": [],
                "settings": [],
                "accept_damaged": [],
                "seconds": 0.0,
                "artifacts": {},
            },
        )
        for key in ("code", "device", "solver"):
            if content.get(key) and content[key] not in stage[key]:
                stage[key].append(content[key])
        settings = dict(content.get("settings", {}))
        # Each shard has its own.
        stage["accept_damaged"] += settings.pop("accept_damaged", [])
        if settings not in stage["settings"]:
            stage["settings"].append(settings)
        stage["seconds"] = round(stage["seconds"] + content["seconds"], 1)
        stage["artifacts"][str(path)] = content["digest"]
        # Networks that see flow of two solvers in training and testing lose accuracy, unseen.
        if len(set(map(flow_of, stage["solver"]))) > 1:
            raise PipelineError(
                f"{path}: flow by solver {content['solver']}, where other shards' is by "
                f"{stage['solver'][0]}; set flow.backend in the config to one of them and run "
                "snakemake again, which makes all flow anew"
            )
    stages["fuse"] = {"code": [code]}
    return {
        "config": config,
        "seed": config["seed"],
        "python": platform.python_version(),
        "packages": versions(),
        "stages": stages,
    }
