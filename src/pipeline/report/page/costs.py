"""What a result has cost: hours, memory and disk by stage."""

from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.report.page.found import Found, read_lines

# The column of Snakemake's tables of resources that is the most memory, in MiB.
MEMORY = "max_rss"
# Endings of the files that hold what a record is of.
ENDINGS = (".h5", ".pt", ".csv")


def costs(found: Found) -> dict:
    """By stage: files, seconds, the most memory of a job in bytes, and bytes on the disk.

    Memory and bytes are None where they are not known. Raises PipelineError where the result does
    not say which stages it rests on.
    """
    stages = found.provenance.get("stages", {})
    rows = [_row(found, stage, about) for stage, about in stages.items() if about.get("artifacts")]
    if not rows:
        raise PipelineError("This result does not say which stages it rests on.")
    sizes = [row["bytes"] for row in rows if row["bytes"] is not None]
    return {
        "rows": rows,
        "seconds": sum(row["seconds"] for row in rows),
        "longest": max(row["seconds"] for row in rows),
        "memory": max((row["memory"] for row in rows if row["memory"]), default=None),
        "bytes": sum(sizes) if sizes else None,
    }


def _row(found: Found, stage: str, about: dict) -> dict:
    records = found.records(stage)
    sizes = [
        path.stat().st_size
        for record in records
        for ending in ENDINGS
        if (path := record.with_suffix(ending)).is_file()
    ]
    memory = [size for record in records if (size := _memory(found.set_folder, record))]
    return {
        "stage": stage,
        "files": len(about["artifacts"]),
        "seconds": float(about.get("seconds", 0)),
        "memory": max(memory, default=None),
        "bytes": sum(sizes) if sizes else None,
        "devices": about.get("device", []) + about.get("solver", []),
    }


def _memory(folder: Path, record: Path) -> float | None:
    """The most memory in bytes of the job of a record, by Snakemake's tables of resources."""
    inner = record.relative_to(folder).with_suffix(".tsv")
    # One job scores by all networks: its table lies a folder higher.
    for path in (inner, inner.parent.parent / inner.name):
        lines = read_lines(folder / "benchmarks" / path)
        if len(lines) > 1:
            try:
                return (
                    float(
                        dict(zip(*(line.split("\t") for line in lines[:2]), strict=False))[MEMORY]
                    )
                    * 2**20
                )
            except (KeyError, ValueError):
                return None
    return None
