"""Backbones by name: which a config may name, told without timm."""

import subprocess
import sys

import pytest
import timm
import torch
from config_cases import CONFIG

from pipeline.config import backbones, settings
from pipeline.errors import PipelineError
from pipeline.models.backbones.timm_net import TimmNet


def refusal(changes: dict, section: str = "network", **compute) -> str:
    """The sentence that refuses UCF101's settings with changes of two sections; '' for none."""
    own = settings.for_set(CONFIG, "ucf101")
    own[section] |= changes
    own["compute"] |= compute
    try:
        backbones.check(own, "set 'ucf101'", "config.yaml")
    except PipelineError as error:
        assert "\n" not in str(error) and section in str(error)
        return str(error)
    return ""


@pytest.mark.parametrize(
    "name", ["vgg16", "resnet18", "resnet50.a1_in1k", "tf_efficientnet_lite0", "convnext_tiny"]
)
def test_known_names_are_taken(name):
    assert refusal({"backbone": name}) == ""


@pytest.mark.parametrize(
    "name, nearest",
    [
        ("resnet_18", "resnet18"),
        ("vgg_16", "vgg16"),
        ("efficientnet_lite0", "efficientnet_lite0"),
        ("mobilenet_v3_small_100", "mobilenetv3_small_100"),
        ("convnext_tyni", "convnext_tiny"),
        ("resnet50.a1_in2k", "a1_in1k"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name, nearest):
    sentence = refusal({"backbone": name})
    if name == nearest:
        assert sentence == ""
    else:
        assert f"'{name}'" in sentence and f"did you mean '{nearest}'?" in sentence


def test_names_without_weights_are_refused_from_imagenet_only():
    name = next(name for name, tags in backbones.tags_by_name().items() if not tags)
    assert "timm has no weights of" in refusal({"backbone": name, "weights": "imagenet"})
    assert refusal({"backbone": name, "weights": "none"}) == ""


REFUSED = [("none", "auto", True), ("none", "frozen", False), ("file.pth", "auto", False)]
REFUSED += [("file.pth", "partial", True), ("file.pth", "batch", True)]


@pytest.mark.parametrize("weights, batch_norm, refused", REFUSED)
@pytest.mark.parametrize("parts", [{"processes": 2}, {"accumulate": 2}])
def test_statistics_of_parts_of_a_batch_are_refused(weights, batch_norm, refused, parts):
    network = {"weights": weights, "batch_norm": batch_norm}
    sentence = refusal({"backbone": "resnet18"} | network, **parts)
    assert ("takes its statistics" in sentence.replace("would take", "takes")) == refused
    assert refusal({"backbone": "resnet18"} | network) == ""
    assert refusal({"backbone": "vgg16"} | network, **parts) == ""


def test_a_teacher_may_be_any_of_them():
    lite0 = {"backbone": "tf_efficientnet_lite0", "weights": "lite0.safetensors", "head_lr": 30}
    assert refusal(lite0, "teacher") == ""
    assert "teacher.backbone" in refusal({"backbone": "resnet_18"}, "teacher")
    assert "did you mean 'cnn_m'?" in refusal({"backbone": "cnn_n"}, "teacher")
    # VGG-16 is a network of timm, too; the paper's teacher is none.
    assert refusal({"backbone": "vgg16"}, "teacher", processes=1) == ""
    assert "cnn_m" in refusal({"backbone": "cnn_m"})
    sentence = refusal(lite0 | {"batch_norm": "partial"}, "teacher", processes=2)
    assert "teacher.batch_norm" in sentence


@pytest.mark.parametrize("pretrained", [{"weights": "cnn_m.pth"}, {"head_lr": 10}])
def test_there_are_no_weights_of_the_papers_teacher(pretrained):
    assert "teacher.backbone is cnn_m" in refusal(pretrained, "teacher")


def test_the_list_is_that_of_the_locked_timm():
    lines = backbones.NAMES.read_text().splitlines()
    assert f"timm {timm.__version__} " in lines[0]
    names = backbones.tags_by_name()
    assert set(names) <= set(timm.list_models()) and len(names) > 700
    pretrained = {full.partition(".")[0::2] for full in timm.list_models(pretrained=True)}
    listed = {(name, tag) for name, tags in names.items() for tag in tags}
    assert listed == {(name, tag) for name, tag in pretrained if name in names and tag}


@pytest.mark.parametrize("name", ["resnet18", "regnety_002", "swin_tiny_patch4_window7_224"])
def test_listed_networks_give_maps(name):
    assert name in backbones.tags_by_name()
    with torch.device("meta"):
        assert len(TimmNet(name, 3, size=224).sides(224)) == 3


def test_planning_reads_names_without_timm():
    code = (
        "import sys; from pipeline.config import backbones; backbones.tags_by_name();"
        "assert not {'timm', 'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
