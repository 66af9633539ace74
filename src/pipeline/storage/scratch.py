"""A disk of the node that a job runs on, where HDF5 files are written before they are moved.

HDF5 writes in small pieces, which file systems that many nodes share are slow at. The environment
variable PIPELINE_SCRATCH names a folder. A file is written there and copied once; clips of a shard
go one by one, so that a killed job keeps them.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.files import WRITING
from pipeline.storage import node_disk

VARIABLE = "PIPELINE_SCRATCH"


@contextmanager
def written_there(path: Path) -> Iterator[Path]:
    """Yield a path to write to, whose content is at `path` when the block has ended well; `path`
    itself where no folder is named.

    Raises PipelineError where the folder that is named cannot be written.
    """
    folder = node_disk.named_by(VARIABLE)
    if not folder:
        yield path
        return
    with node_disk.must_be_writable(VARIABLE):
        number, name = tempfile.mkstemp(prefix="pipeline-", suffix=".h5", dir=folder)
    os.close(number)
    try:
        yield Path(name)
    except Exception as error:
        # HDF5 does not say which file it could not write, nor on which disk.
        error.add_note(f"{WRITING}{name}")
        raise
    else:
        shutil.copyfile(name, path)
    finally:
        os.unlink(name)
