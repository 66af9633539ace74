"""A disk of the node that a job runs on, where HDF5 files are written before they are moved.

HDF5 writes in small pieces, which file systems that many nodes share are slow at. The environment
variable PIPELINE_SCRATCH names a folder, such as '$TMPDIR', which is read on the node. A file is
written there and copied once; clips of a shard go one by one, so that a killed job keeps them.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import WRITING

VARIABLE = "PIPELINE_SCRATCH"


@contextmanager
def written_there(path: Path) -> Iterator[Path]:
    """Yield a path to write to, whose content is at `path` when the block has ended well; `path`
    itself where no folder is named.

    Raises PipelineError where the folder that is named cannot be written.
    """
    folder = os.path.expandvars(os.environ.get(VARIABLE, ""))
    if not folder:
        yield path
        return
    try:
        number, name = tempfile.mkstemp(prefix="pipeline-", suffix=".h5", dir=folder)
    except OSError as error:
        raise PipelineError(
            f"{VARIABLE} names {folder}, which cannot be written here ({error.strerror}); correct "
            f"it, or unset it: unset {VARIABLE}"
        ) from error
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
