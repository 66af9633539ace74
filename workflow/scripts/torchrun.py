"""Start a training program in several processes.

The arguments are torchrun's. Unlike torchrun this prints no traceback: the training program says
itself what was wrong, and only a process that was killed, and could say nothing, is named here.
"""

import logging
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main() -> None:
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        run.run(run.parse_args(sys.argv[1:]))
    except SignalException as signal:
        sys.exit(128 + signal.sigval)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            print(
                f"error: process {rank} of the training was ended by signal {-failure.exitcode}; "
                "if memory ran out, raise compute.accumulate or lower compute.workers; the same "
                "command resumes from the last checkpoint",
                file=sys.stderr,
            )
        sys.exit(1)


if __name__ == "__main__":
    main()
