"""What a result rests on: its config, and the records of every stage."""

import platform

from pipeline.errors import PipelineError
from pipeline.jobs.record import read, versions


def provenance(records: list[str], config: dict, code: str) -> dict:
    """What a result rests on: the config, and for each stage its code, device, solver, wall time, artifacts' digests.

    Raises PipelineError when the flow of its clips comes from more than one solver.
    """
    stages: dict[str, dict] = {}
    for path in records:
        content = read(path)
        stage = stages.setdefault(
            content["stage"],
            {"code": [], "device": [], "solver": [], "seconds": 0.0, "artifacts": {}},
        )
        for key in ("code", "device", "solver"):
            if content.get(key) and content[key] not in stage[key]:
                stage[key].append(content[key])
        stage["seconds"] = round(stage["seconds"] + content["seconds"], 1)
        stage["artifacts"][str(path)] = content["digest"]
        if len(stage["solver"]) > 1:
            raise PipelineError(
                f"{path}: flow by solver {content['solver']}, where other shards' is by "
                f"{stage['solver'][0]}; set flow.backend in the config to one of them and run snakemake "
                "again, which makes all flow anew"
            )
    stages["fuse"] = {"code": [code]}
    return {
        "config": config,
        "seed": config["seed"],
        "python": platform.python_version(),
        "packages": versions(),
        "stages": stages,
    }
