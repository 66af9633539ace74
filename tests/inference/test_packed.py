"""A run as one file: the same bits without the data set; files that somebody made to do harm."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
import trained_runs
from safetensors.torch import load, save

from pipeline.errors import PipelineError
from pipeline.inference import packed, trained, video

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> trained.Trained:
    acc = trained_runs.once(tmp_path_factory)
    result = json.loads(acc.read_text())
    return trained.of_run(result, acc, result["fusion"])


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "tiny.run"
    packed.write(run, path, "# A card\n")
    return path


def test_predictions_have_the_same_bits(run, path, tmp_path_factory):
    found, row = packed.read(path), trained_runs.tested(trained_runs.once(tmp_path_factory))[0]
    assert found.sources == run.sources and found.training == run.training
    assert (found.result, found.settings, found.classes) == (run.result, run.settings, run.classes)
    assert (found.fusion, found.made) == (run.fusion, run.made)
    (one,), (other,) = (
        video.score_video(each, row["path"], [int(row["frames"])], CPU, []) for each in (run, found)
    )
    for source, values in one.scores.items():
        np.testing.assert_array_equal(other.scores[source], values)


def test_equal_runs_give_equal_bytes(run, path, tmp_path):
    packed.write(packed.read(path), tmp_path / "again.run", "# A card\n")
    assert (tmp_path / "again.run").read_bytes() == path.read_bytes()


def test_nothing_in_it_is_packed_or_pickled(path):
    with zipfile.ZipFile(path) as file:
        assert file.read("README.md") == b"# A card\n"
        assert {member.compress_type for member in file.infolist()} == {zipfile.ZIP_STORED}
        assert not [name for name in file.namelist() if name.endswith((".pt", ".pkl"))]


def test_what_is_an_archive(path, tmp_path):
    (tmp_path / "acc.json").write_text("{}")
    assert packed.is_packed(path)
    assert not packed.is_packed(tmp_path / "acc.json") and not packed.is_packed(tmp_path / "no")


def changed(path, target, about=None, compression=zipfile.ZIP_STORED, **members):
    """A copy of an export, its JSON changed by `about`, with other `members`, None for none."""
    with zipfile.ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    if about:
        said = json.loads(contents["run.json"])
        about(said)
        contents["run.json"] = json.dumps(said)
    for name, content in members.items():
        contents[name.replace("__", ".")] = content
    with zipfile.ZipFile(target, "w", compression) as file:
        for name, content in contents.items():
            if content is not None:
                file.writestr(name, content)
    return target


def refused(path) -> str:
    with pytest.raises(PipelineError) as caught:
        packed.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 600
    return message


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/passwd", "archive/data.pkl", "a\\b"])
def test_other_members_are_refused(path, tmp_path, name):
    target = tmp_path / "evil.run"
    shutil.copy(path, target)
    with zipfile.ZipFile(target, "a") as file:
        file.writestr(name, b"x")
    assert "which is no part of one" in refused(target)
    assert sorted(tmp_path.iterdir()) == [target]


def test_a_bomb_is_refused(path, tmp_path):
    target = changed(path, tmp_path / "a.run", None, zipfile.ZIP_DEFLATED, README__md=b"0" * 10**7)
    assert "unpacks to more than its" in refused(target)


def test_a_member_that_stands_twice_is_refused(path, tmp_path):
    target = tmp_path / "a.run"
    shutil.copy(path, target)
    with zipfile.ZipFile(target, "a") as file, pytest.warns(UserWarning):
        file.writestr("run.json", b"{}")
    assert "twice" in refused(target)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_file_that_was_cut_short_is_refused(path, tmp_path, share):
    content = path.read_bytes()
    target = tmp_path / "a.run"
    target.write_bytes(content[: int(len(content) * share)])
    refused(target)


def test_damage_is_found(path, tmp_path):
    """Each member has a checksum."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    target = tmp_path / "a.run"
    target.write_bytes(content)
    refused(target)


def setting(section, key, value):
    def change(about):
        about["settings"][section][key] = value

    return change


def key(name, value):
    return lambda about: about.update({name: value})


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (key("format", "pipeline/other"), "its format is not pipeline/run"),
        (key("version", 2), "its version is 2, this program reads 1"),
        (key("classes", ["a", "a", "b"]), "stand twice"),
        (key("classes", ["a", 1, "b"]), "holds other than text"),
        (key("classes", ["a", "b"]), "is not that of its settings"),
        (key("classes", None), "'classes' is missing"),
        (key("sources", ["appearance", "../motion"]), "sources are unknown"),
        (key("sources", ["appearance", []]), "not an exported run"),
        (key("settings", {}), "is a required property"),
        (setting("network", "fc1", 10**9), "is not that of its settings"),
        (setting("network", "width", 10.0**6), "not an exported run"),
        (setting("network", "backbone", "hf-hub:evil/net"), "network.backbone"),
        (setting("network", "backbone", "evil_net"), "does not know"),
        (setting("crops", "size", 10**6), "more than 4,096"),
        (setting("period", "count", 10**9), "more than 10,000"),
        (setting("scores", "batch", 10**9), "more than 10,000"),
        (setting("scores", "crops", "all"), "scores"),
        (key("fusion", {}), "how its scores are fused"),
        (key("fusion", {"rule": "standardised", "weights": {}}), "how its scores are fused"),
        (setting("flow", "bound", "wide"), "flow"),
        (setting("decode", "short_side", None), "decode"),
    ],
)
def test_what_it_says_is_checked(path, tmp_path, about, reason):
    """Before networks are built: of these, some would fill any memory."""
    assert reason in refused(changed(path, tmp_path / "a.run", about))


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 10**5, b"\xff\xfe", b"[]", b"null"])
def test_other_json_is_refused(path, tmp_path, content):
    refused(changed(path, tmp_path / "a.run", run__json=content))


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04N.", b"\xff" * 64])
def test_other_tensors_are_refused(path, tmp_path, content):
    refused(changed(path, tmp_path / "a.run", motion__safetensors=content))


def test_tensors_of_another_shape_are_refused(path, tmp_path):
    with zipfile.ZipFile(path) as file:
        state = load(file.read("motion.safetensors"))
    name = next(iter(state))
    for value in (torch.zeros(1), state[name].double()):
        content = save(state | {name: value})
        target = changed(path, tmp_path / "a.run", motion__safetensors=content)
        assert f"tensor '{name}' of motion" in refused(target)


def test_trajectories_that_do_not_fit_are_refused(path, tmp_path):
    with zipfile.ZipFile(path) as file:
        state = load(file.read("idt.safetensors"))
    for values in (
        {"weights": torch.zeros(2, 2)},
        {"hog_means": state["hog_means"].double()},
        {"hog_axes": torch.zeros(3, 3)},
        {"bias": torch.zeros(7)},
    ):
        target = changed(path, tmp_path / "a.run", idt__safetensors=save(state | values))
        refused(target)
