"""Damaged files of a run: the job that reads one says so in a sentence, and after its command the
same snakemake command ends with the same bytes.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from workspace import RESULT, Workspace, errors

# Files to damage together, and outputs to delete with what was kept of them, so that jobs read
# these files: first what the middle of the run reads, then what its end does. A table of clips that
# is made again has everything behind it run again, so the first comes last.
ROUNDS = (
    {
        "flow/001.h5": "split1/appearance-to-motion/asyn",
        "split1/motion/groups.h5": "split1/motion/co2fi",
        "split1/idt/fisher/001.h5": "split1/idt/svm",
        "split1/test.csv": "split1/idt/scores",
    },
    {
        "split1/motion-to-appearance/asyn.pt": "split1/*/scores",
        "split1/idt/svm.h5": "split1/idt/scores",
    },
    {"split1/motion/scores.h5": "split1/acc", "flow/002.json": "split1/acc"},
    {"index/000.csv": "index"},
)
# The file, the reason and the command.
SENTENCE = (
    r"(\S+): [^;]*(?:checksum|SHA-256)[^;]*; "
    r"delete it and run the same snakemake command again: (rm \S+)(?: \(.*)?"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("damage") / "run")
    made.make()
    return made


def results(folder: Path) -> dict[str, object]:
    """What all artifacts hold, and the numbers of the result."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".h5", ".pt", ".csv") and not {".kept", ".sums"} & set(path.parts)
    }
    result = json.loads((folder / "split1/acc.json").read_text())
    # It tells seconds, too.
    del result["provenance"]
    return found | {"acc.json": result}


def test_each_damaged_file_is_named_and_made_again(workspace):
    folder = workspace.folder / "results/mini"
    before = results(folder)
    for damaged in ROUNDS:
        for name in damaged:
            damage(folder / name)
        # A job whose outputs are wanted and missing runs, unless it takes over what was kept.
        for pattern in [*damaged.values(), "split1/acc"]:
            for path in folder.glob(f"{pattern}.*"):
                path.unlink()
        for kept in folder.rglob(".kept"):
            shutil.rmtree(kept)
        told = follow(workspace)
        assert sorted(told) == sorted(f"results/mini/{name}" for name in damaged)
        assert results(folder) == before


def damage(path: Path) -> None:
    """Flip a bit in the middle of a file, which a disk does without another time stamp."""
    content, stat = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def follow(workspace: Workspace) -> list[str]:
    """Run the same command until it succeeds, and between do what the sentences say; returns the
    files that they name, each once.
    """
    told = []
    for _ in range(6):
        done = workspace.snakemake("--keep-going")
        if done.returncode == 0:
            return told
        assert "Traceback" not in done.stdout, done.stdout[-6000:]
        sentences = errors(done.stdout)
        assert sentences, done.stdout[-6000:]
        for sentence in sentences:
            named = re.fullmatch(SENTENCE, sentence)
            assert named, sentence
            told.append(named[1])
            subprocess.run(named[2], shell=True, check=True, cwd=workspace.folder)
    raise AssertionError(f"no end after {told}")


def test_verify_names_what_is_damaged(workspace):
    """After a run every file of it has a seal but those that no program reads."""
    done = subprocess.run(
        ["pipeline", "verify", workspace.folder / "results"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "not checked" not in done.stdout
    assert RESULT.startswith("results/")
