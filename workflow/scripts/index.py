"""Join the examined shards of a set to its index.

Refuses the set, naming every clip that cannot be decoded, when there is any.
"""

import argparse
from pathlib import Path

from pipeline import files
from pipeline.datasets import index, leaks
from pipeline.datasets.examine import bad_clips, merge, read_examined
from pipeline.datasets.load import load_set, skips_bad, spans_classes
from pipeline.datasets.videos import locate, renamed
from pipeline.errors import listed
from pipeline.jobs import program, record
from pipeline.video import ffmpeg


def build_parser() -> argparse.ArgumentParser:
    parser = program.parser(__doc__, "set", "entry", "examined", "index")
    parser.add_argument(
        "--tables",
        type=program.read_json,
        required=True,
        help="names of the examined shards to read, as JSON, or @ and a file of it",
    )
    return parser


def main(options: argparse.Namespace) -> None:
    clip_set, folder = load_set(options.set, options.entry), options.entry["videos"]
    skip = skips_bad(options.entry)
    paths, unlisted = locate(clip_set, Path(folder), skip)
    note_names(folder, unlisted, renamed(clip_set, paths), options.record)
    clips = list(clip_set.clips.values())
    examined = read_examined(options.examined, options.tables)
    rows = merge(clip_set, clips, examined, skip)
    for sentence in leaks.check_copies(options.set, rows, clip_set.splits, options.entry):
        record.log(f"note: {sentence}")
    bad = bad_clips(clips, examined) if skip else {}
    skipped = {
        clip: {"reason": reason, "splits": clip_set.clips[clip].splits}
        for clip, reason in bad.items()
    }
    if skipped:
        record.log(
            f"note: {len(skipped)} of {len(clips)} clips of set '{options.set}' are skipped, since "
            f"they cannot be used: {listed(list(skipped))}; {options.record} has the reasons"
        )
    index.write(options.index, rows, index.COLUMNS + clip_set.splits)
    record.write(
        options.record,
        "index",
        files.digest(options.index),
        options.settings,
        options.code,
        ffmpeg=ffmpeg.version(),
        clips=len(rows),
        frames=sum(row["frames"] for row in rows),
        extra=unlisted,
        skipped=skipped,
        groups_span_classes=spans_classes(options.entry),
    )


def note_names(folder: str, unlisted: list[str], others: list[str], record_path: Path) -> None:
    """Say which videos are not used, and how many of those used have another ending than listed."""
    if len(unlisted) == 1:
        record.log(f"note: {folder}/{unlisted[0]} is in no split list and is not used")
    elif unlisted:
        record.log(
            f"note: {len(unlisted):,} files in {folder} are in no split list and are not used: "
            f"{listed(unlisted)} ({record_path} names all, as 'extra')"
        )
    if others:
        record.log(
            f"note: {len(others):,} clips have videos with another ending than the lists say, and "
            f"are found by the rest of their names: {listed(others)}"
        )


if __name__ == "__main__":
    program.run_job(main, build_parser())
