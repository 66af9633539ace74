"""What is wrong with a video, said to somebody who has no split lists and no config."""

from pipeline.errors import PipelineError


def told(error: PipelineError, cure: str) -> str:
    """Return an error about a video with advice that fits a command which takes videos by name.

    Errors of the pipeline advise on split lists and on the config of a set. `cure` stands in the
    place of the first, the option --damaged in that of the second.
    """
    problem, _, advice = str(error).rpartition("; ")
    if "accept_damaged" in advice:
        return f"{problem}; replace it, or take what decodes with --damaged"
    return f"{problem}; {cure}" if "split lists" in advice else str(error)
