"""Which messages of ffmpeg, and which ends of it, say something about a video."""

import signal

import pytest

from pipeline.video.messages import Messages, failure_of_machine

MAPPING = "[info]   Stream #0:0 (h264) -> settb:default\n"


def read(*lines: str) -> Messages:
    messages = Messages()
    messages.feed((MAPPING + "\n".join(lines)).encode())
    messages.feed(b"")
    return messages


@pytest.mark.parametrize(
    "line",
    [
        "[image2pipe @ 0x1] [error] non monotonically increasing dts to muxer in stream 0: 1 >= 1",
        "[swscaler @ 0x1] [error] anything",
        "[aac @ 0x1] [error] channel element 0.0 is not allocated",
        "[h264 @ 0x1] [error] mmco: unref short failure",
        "[in#0/mpegts @ 0x1] [warning] corrupt input packet in stream 0",
        "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] [error] stream 1, offset 0x30: partial file",
        "[info]     title: [h264 @ 0x1] [error] not a message",
    ],
)
def test_harmless_messages(line):
    assert read(line).damage == ""


@pytest.mark.parametrize(
    "line",
    [
        "[h264 @ 0x1] [error] error while decoding MB 3 4, bytestream -7",
        "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Error submitting packet to decoder",
        "[matroska,webm @ 0x1] [error] File ended prematurely at pos. 4000 (0xfa0)",
        "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] [error] stream 0, offset 0x30: partial file",
        "[warning] file:a.avi: corrupt decoded frame in stream 0",
        "[in#0/avi @ 0x1] [warning] corrupt input packet in stream 0",
    ],
)
def test_messages_of_damage(line):
    assert read(line).damage in line.replace("file:", "") and read(line).damage


def test_a_large_frame():
    line = "[h264 @ 0x1] [error] Picture size 16000x15000 exceeds specified max pixel count 9"
    assert read(line).too_large == (16000, 15000)


@pytest.mark.parametrize(
    ("status", "line", "expected"),
    [
        (-signal.SIGKILL, "", "SIGKILL"),
        (-signal.SIGSEGV, "", "SIGSEGV"),
        (137, "", "SIGKILL"),
        (255, "", "interrupted"),
        (127, "", "cannot be run"),
        (244, "", "Cannot allocate memory"),
        (1, "[error] file:a.avi: Too many open files", "Too many open files"),
        (1, "[error] av_interleaved_write_frame(): No space left on device", "No space left"),
    ],
)
def test_ends_that_are_the_machines(status, line, expected):
    assert expected in failure_of_machine(status, read(line))


@pytest.mark.parametrize("status", [0, 1, 69, 183])
def test_ends_that_are_the_files(status):
    assert failure_of_machine(status, read("[error] Invalid data found")) == ""
