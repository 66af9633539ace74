"""Where runs stand: beside a living run, after a failure and a kill, finished, not begun."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import workspace
import yaml
from workspace import RESULT, Workspace

from pipeline.config.runs import Run
from pipeline.errors import PipelineError
from pipeline.workflow import status
from pipeline.workflow.stages import Stage
from pipeline.workflow.status import Target

MINI = "results/mini"
# 8 classes x 3 scenes are 24 groups over 3 shards, one for each number of a scene; test clips are
# those of one number, so trajectories to learn of are sampled in two shards.
WHOLE = {
    "index": 3 + 1 + 2,
    "frames": 3,
    "flow": 3,
    "teacher": 2,
    "groups": 2,
    "co2fi": 2,
    "asyn": 2,
    "scores": 1,
    "idt": 2 + sum(workspace.IDT_JOBS.values()),
    "fuse": 1,
}


def look(made: Workspace, result: str = RESULT, **options) -> status.Status:
    return status.read(Target.parse(made.folder / result), **options)


def counts(found: status.Status) -> dict[str, tuple[int, int]]:
    return {stage.name: (stage.done, len(stage.jobs)) for stage in found.stages}


def stage(found: status.Status, name: str) -> Stage:
    (own,) = [one for one in found.stages if one.name == name]
    return own


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that lies in a folder."""
    found = {}
    for path in folder.rglob("*"):
        state = os.lstat(path)
        found[str(path.relative_to(folder))] = (state.st_size, state.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("status") / "project")


def test_a_run_that_has_not_begun_has_all_before_it(made):
    made.command()
    before = files(made.folder)
    found = look(made, configs=[made.folder / "mini.yaml"])
    assert counts(found) == {name: (0, count) for name, count in WHOLE.items()}
    assert not found.is_done and found.worker.state == "" and found.failed == []
    assert all(one.seconds_left is None and one.to_come is None for one in found.stages)
    assert files(made.folder) == before
    with pytest.raises(PipelineError, match="no set 'mini'.*--configfile"):
        look(made)


def test_beside_a_living_run_it_reads_and_nothing_else(made):
    """To the end of the run, every second: numbers only grow, and the run is not disturbed."""
    process, seen, estimates = made.start(), [], []
    begun = False
    while process.poll() is None:
        try:
            found = look(made)
        except PipelineError:
            # Before its log is there, the config of a run is not known.
            assert not begun
            continue
        begun = True
        seen.append(found)
        flow = stage(found, "flow")
        if 0 < flow.done < 3:
            # Now: later, files of jobs that work are whole.
            estimates.append((bool(flow.in_state("waiting")), flow.seconds_left, flow.to_come))
        time.sleep(0.5)
    assert process.returncode == 0 and len(seen) > 10
    assert {one.worker.state for one in seen} <= {"", "working"}
    working = [one for one in seen if one.worker.state]
    assert {one.worker.process for one in working} == {process.pid}
    for name in WHOLE:
        done = [stage(one, name).done for one in seen]
        assert done == sorted(done)
    assert any(stage(one, "flow").in_state("running") for one in working)
    # One shard of three is done: there is an estimate. Of the last one, nearly done, nothing may be
    # left.
    assert estimates
    for waits, seconds, size in estimates:
        assert seconds > 0 and size > 0 if waits else seconds >= 0 and size >= 0


def test_a_finished_run_says_what_it_took_and_wrote(made):
    before = files(made.folder)
    found = look(made)
    assert counts(found) == {name: (count, count) for name, count in WHOLE.items()}
    assert found.is_done and found.worker.state == "" and found.failed == []
    flow, folder = stage(found, "flow"), made.folder / MINI / "flow"
    names = [folder / f"{shard:03d}{end}" for shard in range(3) for end in (".h5", ".json")]
    assert flow.written == sum(path.stat().st_size for path in names)
    records = [json.loads(path.read_text()) for path in names if path.suffix == ".json"]
    assert flow.seconds == pytest.approx(sum(record["seconds"] for record in records))
    assert flow.seconds_left == flow.to_come == 0 and flow.rate[1] == "pairs"
    history = made.folder / MINI / "split1/motion/teacher.history.jsonl"
    other = made.folder / MINI / "split1/appearance/teacher.history.jsonl"
    losses = [json.loads(path.read_text().splitlines()[-1])["loss"] for path in (history, other)]
    name, loss, iteration = stage(found, "teacher").loss
    assert iteration == 4 and loss in [round(value, 4) for value in losses]
    assert files(made.folder) == before


@pytest.mark.parametrize(
    "result, runs",
    [
        ("results/mini", ["split1"]),
        ("results/mini/split1", ["split1"]),
        ("results/mini/split1/acc.json", ["split1"]),
        ("results/mini/split2/baseline_asyn1/seed3", ["split2/baseline_asyn1/seed3"]),
    ],
)
def test_results_are_named_in_all_their_ways(made, result, runs):
    found = look(made, result)
    assert list(map(str, found.runs)) == runs
    if "baseline" in result:
        # Frames, flow and trajectories apart, nothing of the other split is its own.
        own = counts(found)
        assert own["flow"] == (3, 3) and own["co2fi"] == own["asyn"] == (0, 2)
        assert "idt" not in own
        networks = [
            str(job.outputs[0].relative_to(made.folder)) for job in stage(found, "co2fi").jobs
        ]
        assert networks[0] == "results/mini/split2/baseline/seed3/appearance/co2fi.json"


@pytest.mark.parametrize(
    "result, words",
    [
        ("elsewhere/mini", "this is no result"),
        ("results/mini/split1/motion/co2fi.pt", "'split1/motion/co2fi.pt' is no run"),
        ("results/mini/split9", "no split 'split9'"),
        ("results/mini/split1/basline", "no variant 'basline'.*'baseline'"),
        ("results/minni/split1", "no set 'minni'.*'mini'"),
    ],
)
def test_what_is_no_result_is_one_sentence(made, result, words):
    with pytest.raises(PipelineError, match=words):
        look(made, result)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder of the workflow, of which a config is read: its own, with one key more or less."""
    for folder in ("src/pipeline", "workflow/schemas"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Snakefile").touch()
    for name in ("config.yaml", "workflow/schemas/config.schema.yaml"):
        shutil.copy(workspace.ROOT / name, tmp_path / name)
    return tmp_path


def change(path: Path, change_content) -> None:
    """Change the content of a YAML file in place."""
    content = yaml.safe_load(path.read_text())
    change_content(content)
    path.write_text(yaml.safe_dump(content))


def test_sets_and_variants_are_those_of_the_checkout(checkout):
    """A run there knows no others, whatever this program's own config has."""

    def remove(config):
        del config["sets"]["hmdb51"], config["variants"]["tsn"]

    change(checkout / "config.yaml", remove)
    found = status.read_config(Target(checkout, "ucf101", None), [])
    assert set(found["sets"]) == {"ucf101", "demo"} and "tsn" not in found["variants"]
    with pytest.raises(PipelineError, match="there is no set 'hmdb51'"):
        status.read_config(Target(checkout, "hmdb51", None), [])


def test_a_key_that_an_earlier_checkout_did_not_have_is_the_default(checkout):
    change(checkout / "config.yaml", lambda config: config.pop("variants"))
    change(checkout / "config.yaml", lambda config: config["compute"].pop("checkpoint_minutes"))
    found = status.read_config(Target(checkout, "ucf101", None), [])
    own = yaml.safe_load((workspace.ROOT / "config.yaml").read_text())
    assert found["variants"] == own["variants"] and found["compute"] == own["compute"]


def test_a_later_checkout_is_not_to_blame_for_its_keys(checkout):
    """Its schema knows a key that this program does not."""
    change(checkout / "config.yaml", lambda config: config.update(later=1))
    target = Target(checkout, "ucf101", None)
    with pytest.raises(PipelineError, match="unknown key 'later'") as error:
        status.read_config(target, [])
    # With the same schema it is a fault of the config.
    assert "version" not in str(error.value) and status.note_of_version(checkout) is None
    change(
        checkout / "workflow/schemas/config.schema.yaml",
        lambda schema: schema["properties"].update(later={"type": "integer"}),
    )
    with pytest.raises(PipelineError, match="unknown key 'later'") as error:
        status.read_config(target, [])
    assert status.note_of_version(checkout) in str(error.value)
    assert f"{checkout} is a checkout of another version" in str(error.value)


def test_without_trajectories_they_are_no_stage(made, tmp_path):
    config = json.loads(json.dumps(made.config))
    config["sets"]["mini"]["settings"]["idt"]["enabled"] = False
    path = tmp_path / "other.yaml"
    path.write_text(json.dumps(config))
    found = look(made, configs=[path])
    assert "idt" not in counts(found) and found.is_done


def test_a_failure_says_why_and_what_is_left(made):
    """A training that diverges: one stream's or both; what follows waits."""
    made.settings["co2fi"] = {"iterations": 30, "lr": 1e6, "checkpoint_every": 10}
    assert made.snakemake().returncode != 0
    found = look(made)
    assert stage(found, "flow").done == 3 and stage(found, "co2fi").done == 0
    assert found.failed and found.failed[0].stage == "co2fi"
    assert "lower its lr" in found.failed[0].error
    assert stage(found, "asyn").in_state("done", "waiting") == stage(found, "asyn").jobs
    assert not found.is_done and found.worker.state == ""


def test_a_killed_run_is_told(made):
    made.settings["co2fi"] = {"iterations": 20000, "lr": 0.001, "checkpoint_every": 10}
    process = made.start()
    try:
        until = time.time() + 120
        while time.time() < until:
            found = look(made)
            running = stage(found, "co2fi").in_state("running")
            if any(job.said.done for job in running):
                break
            time.sleep(0.5)
        own = stage(found, "co2fi")
        assert 0 < own.fraction < 1 and own.seconds_left > 0 and own.rate[1] == "iterations"
        # An earlier failure is no news of this run.
        assert found.failed == []
    finally:
        workspace.kill(process)
    deadline = time.time() + 90
    while time.time() < deadline and _jobs_live(made):
        time.sleep(0.5)
    found = look(made)
    assert found.worker.state == "killed" and found.worker.process == process.pid
    assert not stage(found, "co2fi").in_state("running") and not found.is_done


def _jobs_live(made: Workspace) -> bool:
    done = subprocess.run(
        ["flock", "--nonblock", made.folder / ".snakemake/pipeline.jobs", "true"], check=False
    )
    return done.returncode != 0


def test_jobs_of_a_cluster_are_told_by_their_own_logs(made):
    """No run is seen, and the log of a job was written a moment ago: it works. Snakemake says of
    another that the cluster ended it.
    """
    (made.folder / ".snakemake/pipeline.lock").write_text("")
    results = made.folder / MINI
    for shard in ("000", "001"):
        (results / f"flow/{shard}.h5").unlink()
    log = results / "logs/flow/000.log"
    log.write_text("flow 000: 100 pairs\nflow 000: 25/100 pairs, 5.0 pairs/s, 0:15 left, a\n")
    ended = results / "logs/flow/001.log"
    ended.write_text("flow 001: 100 pairs\n")
    os.utime(ended, (time.time() - 30,) * 2)
    text = (
        f"[{time.strftime('%a %b %d %H:%M:%S %Y')}]\nError in rule flow:\n"
        "    message: SLURM-job '17' failed, SLURM status is: 'OUT_OF_MEMORY'.\n"
        f"    log: {MINI}/logs/flow/001.log (check log file(s) for error details)\n"
    )
    name = f".snakemake/log/{time.strftime('%Y')}-99.snakemake.log"
    (made.folder / name).write_text(text)
    found = look(made, configs=[made.folder / "mini.yaml"])
    flow = stage(found, "flow")
    assert [job.state for job in flow.jobs] == ["running", "failed", "done"]
    assert flow.rate == (5.0, "pairs") and flow.jobs[0].fraction == 0.25
    assert "OUT_OF_MEMORY" in found.failed[0].error


def test_runs_of_a_name_are_paths():
    assert Target.parse(Path("/a/results/b/results/mini/split1/tsn")) == Target(
        Path("/a/results/b"), "mini", Run("split1", "tsn")
    )
    assert Target.parse(Path("/a/results/mini/tables.json")).run == "tables"
