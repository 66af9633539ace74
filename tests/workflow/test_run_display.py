"""What a run shows in place of Snakemake's log, by records as Snakemake 9 makes them."""

import io
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, LoggerManager
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline.workflow import run_display
from pipeline.workflow.run_display import RunDisplay

LOG = ".snakemake/log/1.snakemake.log"


class Stream(io.StringIO):
    """Standard error, a terminal or not."""

    def __init__(self, is_terminal: bool = False):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


class Run:
    """A display in the place of Snakemake's own handler, which writes to `stream`."""

    def __init__(self, is_terminal: bool = False):
        self.logger = logging.getLogger(run_display.LOGGER)
        self.stream = Stream(is_terminal)
        self.own = ColorizingTextHandler(
            nocolor=True,
            stream=self.stream,
            formatter=DefaultFormatter(show_failed_logs=True),
            filter=DefaultFilter(set(), False, False, False, False),
        )
        self.own.name = run_display.HANDLER
        self.logger.handlers = [self.own]
        self.logger.setLevel(logging.INFO)
        self.display = RunDisplay(LOG)
        assert self.display.open()

    def say(self, text: str, event: LogEvent | None = None, level=logging.INFO, **facts) -> None:
        self.logger.log(level, text, extra={"event": event, **facts})

    def begin(self, total: int) -> None:
        self.say("Job stats: ..", LogEvent.RUN_INFO, stats={"flow": total, "total": total})

    def start(self, number: int, rule: str = "flow", log: str = "", **wildcards: str) -> None:
        self.say(
            f"Rule: {rule}",
            LogEvent.JOB_INFO,
            jobid=number,
            rule_name=rule,
            log=[log] if log else [],
            wildcards=wildcards,
        )

    def finish(self, number: int) -> None:
        self.say(f"Finished jobid: {number}", LogEvent.JOB_FINISHED, job_id=number)


@pytest.fixture
def run():
    """One run after the other; the logger of Snakemake is as it was afterwards."""
    logger = logging.getLogger(run_display.LOGGER)
    handlers, level = list(logger.handlers), logger.level
    made = []

    def start(is_terminal: bool = False) -> Run:
        made.append(Run(is_terminal))
        return made[-1]

    yield start
    for each in made:
        each.display.close()
    logger.handlers = handlers
    logger.setLevel(level)


def test_a_line_for_each_job_and_no_more(run, monkeypatch):
    shown = run()
    now = 100.0
    monkeypatch.setattr(run_display.time, "monotonic", lambda: now)
    shown.say("Building DAG of jobs...")
    shown.say("Using shell: /usr/bin/bash")
    shown.begin(2)
    shown.start(7, set="demo", shard="003")
    shown.start(8, "teacher", set="demo", run="split1/baseline", stream="motion")
    now = 145.2
    shown.finish(7)
    now = 4000.0
    shown.finish(8)
    shown.say("Complete log(s): /p/.snakemake/log/1.snakemake.log")
    assert shown.stream.getvalue() == (
        f"2 jobs; the full log: {LOG}\n"
        "      1/2  flow          demo 003                              45 s\n"
        "      2/2  teacher       demo split1 baseline motion           3,900 s\n"
    )
    assert max(map(len, shown.stream.getvalue().splitlines())) < 80


def test_warnings_and_that_nothing_is_to_be_done_are_said_as_snakemake_says_them(run):
    shown = run()
    shown.say("Nothing to be done (all requested files are present and up to date).")
    shown.say("MinJobAge 10s (< 15s).", level=logging.WARNING)
    shown.say("No SLURM account given, trying to guess.", level=logging.WARNING)
    shown.say("Exiting because a job execution failed. Look above", level=logging.ERROR)
    assert shown.stream.getvalue() == (
        "Nothing to be done (all requested files are present and up to date).\n"
        "MinJobAge 10s (< 15s).\n"
    )


def test_a_job_that_failed_is_told_with_its_log_and_may_come_again(run, tmp_path):
    shown, log = run(), tmp_path / "000.log"
    shown.begin(1)
    # One that a cluster refuses has no log; another one dies of its own.
    for words, has_log in (
        ("Slurm refuses the job", False),
        ("its node was lost", True),
        (None, True),
    ):
        if has_log:
            log.touch()
        shown.start(3, log=str(log), set="demo", shard="000")
        shown.say(
            "Error in rule flow",
            LogEvent.JOB_ERROR,
            level=logging.ERROR,
            jobid=3,
            rule_name="flow",
            rule_msg=words,
        )
    shown.start(3, set="demo", shard="000")
    shown.finish(3)
    _, *failed, last = shown.stream.getvalue().splitlines()
    assert [line.partition("  failed after 0 s")[2] for line in failed] == [
        "; Slurm refuses the job",
        f"; its node was lost; its log: {log}",
        f"; its log: {log}",
    ]
    assert last.split() == ["1/1", "flow", "demo", "000", "0", "s"]


def test_notes_of_a_job_are_told_once(run, tmp_path):
    log = tmp_path / "index.log"
    log.write_text("index: 3 clips\nnote: 1 file is in both train and test\nnote: two\n")
    shown = run()
    shown.begin(2)
    for number in (1, 2):
        shown.start(number, "index", log=str(log), set="demo")
        shown.finish(number)
    lines = shown.stream.getvalue().splitlines()
    assert [line for line in lines if line.startswith("note: ")] == [
        "note: 1 file is in both train and test",
        "note: two",
    ]


def test_a_terminal_has_one_bar_that_is_gone_at_the_end(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run_display, "INTERVAL", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    log = tmp_path / "flow.log"
    log.write_text("flow 000: 10 pairs\nflow 000: 4/10 pairs, 2.0 pairs/s, 0:03 left, a clip\n")
    shown = run(is_terminal=True)
    shown.begin(2)
    shown.start(1, log=str(log), set="demo", shard="000")
    deadline = time.monotonic() + 20
    while "flow 000 40%" not in shown.stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    shown.finish(1)
    shown.display.close()
    text = shown.stream.getvalue()
    assert "0/2 jobs |" in text and "flow 000 40%" in text
    # What stands on the screen: the bar is overwritten by each line and by nothing at last.
    screen = [line.rpartition(run_display.CLEAR)[2] for line in text.split("\n")]
    assert screen[1].startswith("      1/2  flow ") and screen[2:] == [""]
    assert not any("\n" in part for part in text.split(run_display.CLEAR)[1:2])


def test_in_a_pipe_there_is_no_bar(run):
    shown = run()
    shown.begin(1)
    shown.start(1, set="demo")
    shown.finish(1)
    assert "\x1b" not in shown.stream.getvalue() and "\r" not in shown.stream.getvalue()
    assert shown.stream.getvalue().startswith(f"1 job; the full log: {LOG}\n")


def test_afterwards_snakemake_speaks_for_itself(run):
    shown = run()
    shown.display.close()
    shown.say("Building DAG of jobs...")
    assert shown.stream.getvalue() == "Building DAG of jobs...\n"


def test_a_display_of_a_plug_in_stays(run):
    logging.getLogger(run_display.LOGGER).handlers = []
    assert not RunDisplay().open()


@pytest.mark.parametrize(
    "asked, wanted",
    [
        ({}, True),
        ({"verbose": True}, False),
        ({"printshellcmds": True}, False),
        ({"debug_dag": True}, False),
        ({"quiet": {"all"}}, False),
    ],
)
def test_who_asks_for_more_or_for_less_gets_what_snakemake_gives(asked, wanted):
    assert run_display.is_wanted(OutputSettings(**asked)) is wanted


def test_snakemake_has_a_handler_of_the_name_that_is_looked_for(run):
    run()
    manager = LoggerManager(logging.getLogger("a logger of this test"), OutputSettings())
    assert manager._default_streamhandler().name == run_display.HANDLER
    from snakemake.logging import logger

    assert logger.name == run_display.LOGGER


@pytest.mark.parametrize("is_dry", [False, True])
def test_what_snakemake_says_of_itself_is_hushed_but_in_a_dry_run(run, is_dry):
    shown = run()
    shown.display.close()
    settings = SimpleNamespace(
        verbose=False, debug_dag=False, printshellcmds=False, quiet=set(), dryrun=is_dry
    )
    run_display.hush(settings)
    shown.say("Assuming unrestricted shared filesystem usage.")
    shown.say("Config file /p/config.yaml is extended by additional config")
    shown.say("Building DAG of jobs...")
    assert shown.stream.getvalue().count("\n") == (3 if is_dry else 1)


def test_job_sh_reads_the_variable():
    shell = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "job.sh"
    assert run_display.VARIABLE in shell.read_text()
