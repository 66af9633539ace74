"""Split lists of a small data set, and how errors about a data set are checked."""

import re

import pytest

from pipeline.errors import PipelineError

# Split lists by name, without extension: five clips in two classes.
LISTS = {
    "classInd": "1 Run\n2 Jump\n",
    "trainlist01": "Run/v_Run_g01_c01.avi 1\nRun/v_Run_g01_c02.avi 1\nJump/v_Jump_g01_c01.avi 2\n",
    "testlist01": "Run/v_Run_g02_c01.avi\nJump/v_Jump_g02_c01.avi\n",
}
# The files of these clips.
FILES = [
    line.split()[0] for name in ("trainlist01", "testlist01") for line in LISTS[name].splitlines()
]
# Every error ends with what to do about it.
CURE = re.compile(
    r"[;,] (or )?(put|correct|remove|add|rename|renumber|move|get|delete|keep|replace|fill|make|"
    r"write) ?"
)


def refusal(function, *arguments) -> list[str]:
    """The lines of the error that `function` must raise."""
    with pytest.raises(PipelineError) as caught:
        function(*arguments)
    return str(caught.value).splitlines()
