"""Which config file is to blame, and what is none."""

import sys
from pathlib import Path

import pytest
import yaml

import snakemake_logger_plugin_pipeline as plugin
from pipeline.errors import PipelineError
from pipeline.workflow import config_files

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("profiles/default", "workflow/profiles/slurm", "workflow/profiles/cluster-generic")
OWN = "sets: {mine: {format: ucf101, videos: videos, lists: lists, shards: 3}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """A folder with the project's config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    return tmp_path


def merged(*names: str) -> dict:
    """What Snakemake makes of these files of top-level sections and sets."""
    config = yaml.safe_load(Path("config.yaml").read_text())
    for name in names:
        for key, value in yaml.safe_load(Path(name).read_text()).items():
            config[key] = config[key] | value if isinstance(value, dict) else value
    return config


def blamed(*names: str) -> str:
    """What is said of a config of `names` over config.yaml."""
    with pytest.raises(PipelineError) as refused:
        config_files.check(
            merged(*names), [Path(name).absolute() for name in ("config.yaml", *names)]
        )
    return str(refused.value)


def test_sound_files_pass():
    Path("mine.yaml").write_text(OWN)
    config_files.check(merged("mine.yaml"), [Path("config.yaml"), Path("mine.yaml")])


def test_faults_are_of_the_file_that_has_them():
    Path("mine.yaml").write_text(OWN.replace("shards", "shard"))
    Path("sound.yaml").write_text("seed: 3\n")
    for names in (["mine.yaml"], ["sound.yaml", "mine.yaml"], ["mine.yaml", "sound.yaml"]):
        assert blamed(*names) == (
            "mine.yaml: unknown key 'sets.mine.shard'; did you mean 'shards'?"
        ), names


@pytest.mark.parametrize(
    "text",
    [
        "variants: {fast: {streams: bselin}}\n",
        "sets: {mine: {format: ucf101, videos: v, lists: l, settings: {tables: {rows: "
        "[{table: 0, name: Fast, variant: bselin, sources: [motion]}]}}}}\n",
    ],
)
def test_variants_that_there_are_not_are_of_the_file_that_names_them(text):
    Path("mine.yaml").write_text(text)
    assert blamed("mine.yaml").startswith("mine.yaml: there is no variant 'bselin'; variants are ")


def test_faults_of_the_project_are_its_own():
    text = Path("config.yaml").read_text()
    Path("config.yaml").write_text(text.replace("seed: 1\n", "seed: one\n"))
    Path("mine.yaml").write_text(OWN)
    assert blamed("mine.yaml").startswith("config.yaml: 'seed' is \"one\"")


def test_faults_of_no_file_are_told_with_all_of_them():
    """As by --config."""
    Path("mine.yaml").write_text(OWN)
    with pytest.raises(PipelineError, match="^mine.yaml: unknown key 'sed'"):
        config_files.check(
            merged("mine.yaml") | {"sed": 2}, [Path("config.yaml"), Path("mine.yaml")]
        )


def test_files_elsewhere_are_told_by_their_whole_path(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert config_files.shown(tmp_path / "mine.yaml") == str(tmp_path / "mine.yaml")
    assert config_files.shown(tmp_path / "a/b/mine.yaml") == "b/mine.yaml"


@pytest.mark.parametrize(
    "target", ["results/demo/split1/acc.json", "results/demo/split1/acc.jsn", "all"]
)
def test_targets_are_no_config_files(target):
    Path("mine.yaml").write_text(OWN)
    with pytest.raises(PipelineError) as refused:
        config_files.check_taken(["mine.yaml", target], [])
    assert str(refused.value) == (
        f"{target} is a target, but all that follows --configfile is taken for config files; put "
        f"-- before the targets: --configfile mine.yaml -- {target}"
    )


def test_files_of_json_or_without_an_ending_are_config_files():
    for name in ("mine.json", "mine"):
        Path(name).write_text('{"seed": 3}')
        config_files.check_taken([name], ["seed=3"])


@pytest.mark.parametrize(
    "arguments, files, settings",
    [
        (["--cores", "2", "--configfile", "a.yaml", "--", "t"], ["a.yaml"], []),
        (["--configfile", "a.yaml", "b.yaml", "-n", "t"], ["a.yaml", "b.yaml"], []),
        (["--configfiles", "a.yaml", "t"], ["a.yaml", "t"], []),
        (["--configfile=a.yaml", "t"], ["a.yaml"], []),
        (["--", "--configfile", "t"], [], []),
        (["--config", "seed=3", "t", "--cores", "2"], [], ["seed=3", "t"]),
        (["-C", "seed=3", "--configfile", "a"], ["a"], ["seed=3"]),
    ],
)
def test_what_options_of_a_command_take(arguments, files, settings):
    assert list(plugin.taken(arguments, plugin.FILES)) == files
    assert list(plugin.taken(arguments, plugin.SETTINGS)) == settings


def test_the_plug_in_ends_a_command_with_file_and_line(monkeypatch):
    Path("mine.yaml").write_text(OWN)
    Path("bad.yaml").write_text("seed: 1\nsets: [\n")
    for words, said in (
        (["bad.yaml"], "error: bad.yaml:3: not YAML"),
        (["none.yaml"], "error: none.yaml: the config cannot be read (No such file or directory)"),
        (["--config", "seed=2", "all"], "error: all is no setting, but all that follows --config"),
    ):
        monkeypatch.setattr(sys, "argv", ["snakemake", "--configfile", "mine.yaml", *words])
        with pytest.raises(SystemExit) as ended:
            plugin.LogHandler(None, None)
        assert str(ended.value).startswith(said) and "\n" not in str(ended.value)
    sound = ["snakemake", "--configfile", "mine.yaml", "--config", "seed=2", "--", "all"]
    monkeypatch.setattr(sys, "argv", sound)
    plugin.LogHandler(None, None)


def test_a_profile_without_the_plug_in_does_not_ask_for_it():
    """Snakemake refuses a plug-in that is not installed."""
    import yte

    for profile in PROFILES:
        text = (ROOT / profile / "config.yaml").read_text()
        assert yte.process_yaml(text, require_use_yte=True)["logger"] == ["pipeline"]
        missing = text.replace("snakemake_logger_plugin_pipeline", "no_such_plugin")
        found = yte.process_yaml(missing, require_use_yte=True)
        assert "logger" not in found and found["rerun-incomplete"] is True
