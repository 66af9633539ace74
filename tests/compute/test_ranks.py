"""What several processes exchange, and what a single process does instead."""

import multiprocessing
import os
import socket

import pytest
import torch

from pipeline.compute import ranks
from pipeline.errors import PipelineError

SPAWN = multiprocessing.get_context("spawn")


def exchange(rank: int, port: int, results) -> None:
    """Take part as one of two ranks, and report what each operation gave."""
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    ranks.start()
    tensors = [torch.full((2, 3), float(rank)), torch.tensor(4.0 * rank)]
    ranks.average(tensors)
    results.put(
        {
            "rank": (ranks.rank(), ranks.count()),
            "averages": [tensor.tolist() for tensor in tensors],
            "highest": [ranks.highest(rank), ranks.highest(2 - rank), ranks.highest(0)],
            "broadcast": ranks.broadcast_from_rank0([5 + rank, 7 + rank]),
        }
    )
    ranks.shutdown()


def test_two_ranks_exchange_means_flags_and_values():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = SPAWN.Queue()
    processes = [SPAWN.Process(target=exchange, args=(rank, port, results)) for rank in range(2)]
    for process in processes:
        process.start()
    found = sorted((results.get(timeout=120) for _ in processes), key=lambda each: each["rank"])
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert [each["rank"] for each in found] == [(0, 2), (1, 2)]
    for each in found:
        assert each["averages"] == [[[0.5] * 3] * 2, 2.0]
        assert each["highest"] == [1, 2, 0]
        assert each["broadcast"] == [5, 7]


def test_a_single_process_exchanges_nothing():
    ranks.start()
    assert (ranks.rank(), ranks.count()) == (0, 1)
    tensor = torch.arange(3.0)
    ranks.average([tensor])
    assert tensor.tolist() == [0, 1, 2]
    assert (ranks.highest(2), ranks.highest(0)) == (2, 0)
    assert ranks.broadcast_from_rank0([3, 4]) == [3, 4]
    ranks.shutdown()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[gloo/transport/tcp/pair.cc:1] Connection closed by peer", "which has ended"),
        ("Watchdog caught collective operation timeout: NCCL", "waited too long for another"),
        ("[gloo/transport/tcp/buffer.cc:2] Timed out waiting 1800000ms", "did not answer"),
    ],
)
def test_a_backward_pass_that_lost_a_rank_is_an_error_in_words(monkeypatch, said, words):
    monkeypatch.setattr(ranks, "count", lambda: 2)
    with pytest.raises(PipelineError, match=words), ranks.averaging(torch.nn.Identity(), last=True):
        raise RuntimeError(said)
    # What else goes wrong there is not of the ranks.
    with pytest.raises(RuntimeError), ranks.averaging(torch.nn.Identity(), last=True):
        raise RuntimeError("CUDA out of memory")


def test_an_operation_that_another_rank_left_is_an_error_in_words():
    def broken(*_):
        raise RuntimeError("Connection closed by peer\nand more")

    with pytest.raises(PipelineError, match=r"rank 0 waited .* \(Connection closed by peer\)"):
        ranks._collective(broken)
