"""The command `pipeline` as a user meets it."""

import subprocess
import sys

from typer.testing import CliRunner

from pipeline.cli.app import app


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (
        result.exit_code == 0
        and result.output.split()[0] == "pipeline"
        and result.output.split()[1][0].isdigit()
    )


def test_output_in_a_pipe_is_plain_and_may_be_cut(shard):
    program = [
        sys.executable,
        "-c",
        "from pipeline.cli.app import app; app()",
        "inspect",
        str(shard),
        "--all",
    ]
    whole = subprocess.run(program, capture_output=True, check=True)
    assert b"\x1b" not in whole.stdout and whole.stderr == b""
    cut = subprocess.run(
        f"{subprocess.list2cmdline(program[:1])} -c 'from pipeline.cli.app import app; app()' "
        f"inspect '{shard}' --all | head -1",
        shell=True,
        capture_output=True,
    )
    assert cut.stdout.decode().strip() == str(shard) and cut.stderr == b""


def test_help_and_text_do_not_load_heavy_modules():
    for modules, heavy in (
        ("pipeline.cli.app", {"torch", "cv2", "matplotlib", "h5py", "numpy"}),
        ("pipeline.report.inspect, pipeline.report.pictures", {"torch", "cv2", "matplotlib"}),
    ):
        program = f"import sys, {modules}; assert not {heavy} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)
