"""Render the videos of the demo set and write its split lists, in UCF101's layout.

`pipeline.datasets.demo` describes what the videos show.
"""

import argparse
import hashlib
from pathlib import Path

from pipeline.datasets import demo, render
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.video import ffmpeg
from pipeline.video.encode import encode


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "set", "videos", "lists")


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    clip_set = demo.clip_set(options.set, settings["groups"], settings["clips"])
    progress = Progress(f"render {options.set}", len(clip_set.clips), "clips")
    digest = hashlib.sha256()
    for clip in clip_set.clips.values():
        frames = render.render(clip.id, settings["seed"], settings["frames"])
        path = Path(options.videos) / clip.file
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, frames, render.FPS)
        digest.update(frames)
        progress.update(1, clip.id)
    progress.close()
    demo.write_lists(clip_set, Path(options.lists))
    record.write(
        options.record,
        "demo",
        digest.hexdigest()[:16],
        settings,
        options.code,
        ffmpeg=ffmpeg.version(),
    )


if __name__ == "__main__":
    program.run_job(main, build_parser())
