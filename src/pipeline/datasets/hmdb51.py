"""HMDB51's official split lists: 153 files <class>_test_split<1|2|3>.txt (standard library only)."""

import re
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet, assemble, read_lines
from pipeline.errors import PipelineError

FLAGS = {"0": "", "1": TRAIN, "2": TEST}  # 0: listed, but not used by this split
# <source video>_<class>_<visible body parts>_<camera motion>_np<people>_<view>_<quality>_<number>: clips cut from one
# source video are a group. In the official lists no such group is on both sides of a split.
GROUP = r"^(.*)_{class_name}_[a-z]_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+$"


def read(name: str, folder: Path) -> ClipSet:
    """Read a folder of lists, lines '<file> <flag>' with trailing blanks.

    There is no official order of classes: labels follow the alphabet. Raises PipelineError naming file and line.
    """
    lists = sorted(folder.glob("*_test_split[0-9]*.txt"))
    if not lists:
        raise PipelineError(
            f"{folder}: there is no <class>_test_split1.txt; put HMDB51's split lists there "
            "(testTrainMulti_7030_splits), or correct 'lists' of the set in the config"
        )
    entries, classes, seen = [], set(), {}
    for path in lists:
        class_name, _, number_of_split = path.stem.rpartition("_test_split")
        if not number_of_split.isdecimal():
            raise PipelineError(
                f"{path}: not named <class>_test_split<number>.txt; rename or remove it"
            )
        classes.add(class_name)
        seen.setdefault(f"split{int(number_of_split)}", set()).add(class_name)
        pattern = re.compile(GROUP.format(class_name=re.escape(class_name)))
        for number, line in read_lines(path):
            file, _, flag = line.rpartition(" ")
            if flag not in FLAGS or not file.strip() or "/" in file:
                raise PipelineError(
                    f"{path}:{number}: '{line}' is not '<file> <0, 1 or 2>'; correct the line"
                )
            file = file.strip()
            match = pattern.match(file.rsplit(".", 1)[0])
            group = match.group(1) if match else file
            entries.append(
                (f"split{int(number_of_split)}", FLAGS[flag], f"{class_name}/{file}", group)
            )
    for split, present in seen.items():
        if present != classes:
            absent = ", ".join(sorted(classes - present))
            raise PipelineError(
                f"{folder}: {split} lacks the lists of {absent}; get the lists again"
            )
    return assemble(name, sorted(classes), entries, folder)
