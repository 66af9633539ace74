"""A run of ffmpeg: read without waiting for ever."""

import signal

import pytest

from pipeline.errors import MachineError
from pipeline.video.process import Process, Stalled


def test_what_waits_and_what_works_is_told_apart():
    for script, works in (("sleep 60", False), ("while :; do :; done", True)):
        process = Process(["bash", "-c", script], patience=1)
        with pytest.raises(Stalled) as caught:
            process.read_some()
        process.stop()
        assert caught.value.works is works and process.returncode == -signal.SIGKILL


def test_output_messages_and_status():
    script = "echo out; echo '[error] No space left on device' >&2; exit 3"
    process = Process(["bash", "-c", script], patience=10)
    assert process.read_some() == b"out\n" and process.read_some() == b""
    process.finish()
    process.stop()
    assert process.returncode == 3 and process.messages.machine == "No space left on device"


def test_processor_time_is_limited():
    process = Process(["bash", "-c", "while :; do :; done"], 30, processor_seconds=1)
    assert process.read_some() == b""
    process.finish()
    process.stop()
    assert process.returncode == -signal.SIGXCPU


def test_a_program_that_does_not_start(tmp_path):
    with pytest.raises(MachineError, match="cannot be started"):
        Process([str(tmp_path / "none")], patience=1)
