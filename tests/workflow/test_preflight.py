"""Pretrained weights that a run starts from, looked for before anything long begins."""

import json
import socket
import struct
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from workspace import Workspace, environment

from pipeline.errors import PipelineError
from pipeline.workflow import preflight

WHERE = "network.weights of set 'mini'"


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch):
    """No weights were downloaded, and no proxy is set."""
    for name in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hub = SimpleNamespace(HF_HUB_CACHE=str(tmp_path / "hub"), ENDPOINT="http://127.0.0.1:9")
    monkeypatch.setattr(preflight, "_hub", lambda: hub)
    monkeypatch.setattr(preflight, "_vgg16", lambda: "http://127.0.0.1:9/models/vgg16-0a.pth")
    monkeypatch.setattr(preflight, "_timm_has", lambda name: False)


@pytest.fixture
def server():
    """A server that answers as it is told, and remembers what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.status = [], 200
    server.address = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_has_no_weights_is_not_looked_for():
    assert preflight.problem("vgg16", "none", WHERE) == ""
    assert preflight.problem("cnn_m", "none", WHERE) == ""


def test_weights_that_cannot_be_had_are_one_sentence():
    said = preflight.problem("vgg16", "imagenet", WHERE)
    assert said == (
        "network.weights of set 'mini' is imagenet, but the weights of vgg16 are not on this "
        "machine, and 127.0.0.1 cannot be reached (Connection refused); bring the file "
        "(http://127.0.0.1:9/models/vgg16-0a.pth) from elsewhere and set network.weights to it, to "
        "one that 'pipeline weights list' names, or to 'none' to train from scratch"
    )


def test_weights_in_the_cache_of_torch_need_no_network(tmp_path, monkeypatch):
    for variable, folder in (("XDG_CACHE_HOME", "cache/torch"), ("TORCH_HOME", "mine")):
        monkeypatch.setenv("TORCH_HOME" if variable == "TORCH_HOME" else "OTHER", "")
        if variable == "TORCH_HOME":
            monkeypatch.setenv(variable, str(tmp_path / folder))
        assert not preflight.is_cached("vgg16")
        file = tmp_path / folder / "hub" / "checkpoints" / "vgg16-0a.pth"
        file.parent.mkdir(parents=True)
        file.touch()
        assert preflight.is_cached("vgg16")
        assert preflight.problem("vgg16", "imagenet", WHERE) == ""


def test_weights_in_the_cache_of_the_hub_need_no_network(tmp_path):
    folder = tmp_path / "hub" / "models--timm--resnet18.a1_in1k" / "snapshots" / "0a"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    # A link whose file was removed.
    (folder / "model.safetensors").symlink_to(tmp_path / "blob")
    assert not preflight.is_cached("resnet18")
    (tmp_path / "blob").touch()
    assert preflight.is_cached("resnet18") and preflight.is_cached("resnet18.a1_in1k")
    assert not preflight.is_cached("resnet18.tv_in1k") and not preflight.is_cached("resnet18d")
    assert preflight.problem("resnet18", "imagenet", WHERE) == ""


def test_timm_is_asked_before_weights_are_refused(monkeypatch):
    assert "weights of resnet18" in preflight.problem("resnet18", "imagenet", WHERE)
    monkeypatch.setattr(preflight, "_timm_has", lambda name: name == "resnet18")
    assert preflight.problem("resnet18", "imagenet", WHERE) == ""


def test_a_hub_that_is_kept_offline_is_not_asked(server, tmp_path, monkeypatch):
    hub = SimpleNamespace(HF_HUB_CACHE=str(tmp_path), ENDPOINT=server.address, HF_HUB_OFFLINE=True)
    monkeypatch.setattr(preflight, "_hub", lambda: hub)
    assert "(HF_HUB_OFFLINE is set)" in preflight.problem("resnet18", "imagenet", WHERE)
    hub.HF_HUB_OFFLINE = False
    assert preflight.problem("resnet18", "imagenet", WHERE) == "" and server.asked == ["/"]


def test_where_the_packages_are_not_here_nothing_is_said(monkeypatch):
    monkeypatch.setattr(preflight, "_hub", lambda: None)
    monkeypatch.setattr(preflight, "_vgg16", lambda: "")
    assert preflight.problem("resnet18", "imagenet", WHERE) == ""
    assert preflight.problem("vgg16", "imagenet", WHERE) == ""


def test_an_address_that_answers_is_reachable(server):
    assert preflight.unreachable(server.address) == ""
    server.status = 404
    assert preflight.unreachable(server.address) == ""
    server.status = 403
    assert preflight.unreachable(server.address) == "HTTP Error 403: Forbidden"


def test_proxies_are_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    assert preflight.unreachable("http://weights.invalid/file") == ""
    assert server.asked == ["http://weights.invalid/file"]


def test_an_address_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(preflight, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        reason = preflight.unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert time.monotonic() - began < 5
    assert reason in ("no answer within 0.3 seconds", "timed out")


def test_torchvision_says_where_its_weights_are(monkeypatch):
    monkeypatch.undo()
    from torchvision.models import VGG16_Weights

    assert preflight._vgg16() == VGG16_Weights.IMAGENET1K_V1.url


def safetensors(about: dict, missing: int = 0) -> bytes:
    """A file of one tensor of 8 bytes, of which the last `missing` are not there."""
    head = {"__metadata__": about, "x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8 - missing)


CUT = safetensors({}, missing=3)
LITE0 = {"pipeline": json.dumps({"backbone": "tf_efficientnet_lite0"})}


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.safetensors", safetensors({}), ""),
        ("a.safetensors", safetensors({"pipeline": json.dumps({"backbone": "vgg16"})}), ""),
        ("a.safetensors", safetensors(LITE0), "weights of tf_efficientnet_lite0, and the backbone"),
        (
            "a.safetensors",
            CUT,
            f"no whole file of safetensors ({len(CUT)} bytes of {len(CUT) + 3})",
        ),
        ("a.safetensors", b"\xff" * 20, "no whole file of safetensors (its head is longer"),
        ("a.safetensors", b"", "no whole file of safetensors"),
        ("a.pth", b"", "is empty"),
        ("a.pth", b"\n<!DOCTYPE html><html>", "is text"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1\noid", "is text"),
        ("a.pth", b"PK\x03\x04" + bytes(100), "is cut short"),
        ("a.pth", b"\x80\x02}", ""),
        ("a.h5", b"\x89HDF\r\n\x1a\n", ""),
    ],
    ids=range(12),
)
def test_files_that_cannot_be_weights_are_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    said = preflight.problem("vgg16", str(path), WHERE)
    assert bool(said) == bool(words) and words in said and "\n" not in said
    if said:
        assert said.startswith(f"{path}: ") and WHERE in said


def test_a_whole_archive_of_torch_is_taken(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    assert preflight.problem("vgg16", str(path), WHERE) == ""


def test_a_file_that_is_not_there_is_named(tmp_path):
    said = preflight.problem("vgg16", str(tmp_path / "no.pt"), WHERE)
    assert said.endswith("cannot be read (No such file or directory); correct network.weights")
    assert preflight.problem("vgg16", str(tmp_path), WHERE).endswith("name the file in it")


def job(rule: str, **wildcards: str) -> SimpleNamespace:
    """A job of Snakemake's, as far as it is asked."""
    return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards={"set": "mini"} | wildcards)


@pytest.mark.parametrize(
    "start, jobs, refused",
    [
        ("co2fi", [job("flow", shard="000"), job("index")], False),
        ("co2fi", [job("co2fi", run="split1", stream="motion")], True),
        # Directions start from networks that are made already.
        ("co2fi", [job("asyn", run="split1", direction="motion-to-appearance")], False),
        ("weights", [job("asyn", run="split1", direction="motion-to-appearance")], True),
        ("co2fi", [job("teacher", split="split1", stream="motion")], False),
    ],
)
def test_jobs_that_start_from_weights_are_asked_about(rules, start, jobs, refused):
    settings = rules.mini.setdefault("settings", {})
    settings["network"] = settings.get("network", {}) | {"weights": "imagenet", "width": 1.0}
    settings["asyn"] = settings.get("asyn", {}) | {"start": start, "joint": True}
    rules.start()
    if not refused:
        return preflight.check_jobs(jobs, rules.sets)
    # Two jobs of one network are one line.
    with pytest.raises(PipelineError, match="^network.weights of set 'mini' is imagenet.*$"):
        preflight.check_jobs([*jobs, *jobs], rules.sets)


def test_of_a_cluster_files_are_asked_for_alone(rules):
    settings = rules.mini.setdefault("settings", {})
    settings["network"] = {"weights": "imagenet", "width": 1.0}
    jobs = [job("co2fi", run="split1", stream="motion")]
    preflight.check_jobs(jobs, rules.start().sets, here=False)
    settings["network"]["weights"] = "gone.pt"
    with pytest.raises(PipelineError, match=r"gone.pt: the file of network.weights .* cannot be"):
        preflight.check_jobs(jobs, rules.start().sets, here=False)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("preflight"))


def test_a_run_without_its_weights_begins_nothing(workspace, tmp_path, monkeypatch):
    """Neither flow is computed nor a lock left behind; a look and flow alone are not refused."""
    workspace.settings["network"] |= {"weights": "imagenet", "width": 1.0}
    proxy = {"https_proxy": "http://127.0.0.1:9", "XDG_CACHE_HOME": str(tmp_path)}
    for variable, value in proxy.items():
        monkeypatch.setenv(variable, value)
    assert {**environment()}.items() >= proxy.items()
    assert workspace.snakemake("-n").returncode == 0
    refused = workspace.snakemake()
    assert refused.returncode == 1 and "Traceback" not in refused.stdout
    last = refused.stdout.strip().splitlines()[-1]
    assert last.startswith("error: network.weights of set 'mini' is imagenet, but"), last
    assert not list(workspace.folder.glob("results/mini/index/*"))
    assert not (workspace.folder / ".snakemake" / "pipeline.lock").read_text().strip()
    workspace.make("results/mini/index/000.csv")
