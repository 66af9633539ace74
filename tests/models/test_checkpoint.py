"""Files of models: equal weights give equal bytes, and files that do not fit are refused."""

from pathlib import Path

import pytest
import torch
from model_cases import ABOUT, SETTINGS
from torch import nn

from pipeline.errors import PipelineError, remake
from pipeline.files import SEALS
from pipeline.models import checkpoint, factory


def test_shared_units_are_kept_and_read_back(tmp_path):
    own = SETTINGS | {
        "network": SETTINGS["network"] | {"shared": True},
        "fusion_network": SETTINGS["fusion_network"] | {"shared": True},
    }
    net, fresh = (factory.asyn(own, "motion-to-appearance", 7) for _ in range(2))
    checkpoint.save(tmp_path / "a.pt", net, **ABOUT)
    checkpoint.save(tmp_path / "b.pt", checkpoint.load(tmp_path / "a.pt", fresh, **ABOUT), **ABOUT)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    for part in (fresh.one, fresh.many, fresh.fusion):
        assert len({p.data_ptr() for unit in part.units for p in unit.parameters()}) == 4


def test_models_are_kept_whole(tmp_path):
    net, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    checkpoint.save(tmp_path / "a.pt", net, **ABOUT)
    assert checkpoint.load(tmp_path / "a.pt", fresh, **ABOUT) is fresh
    assert torch.equal(net.weight, fresh.weight) and torch.equal(net.bias, fresh.bias)
    assert sorted(path.name for path in tmp_path.iterdir()) == [SEALS, "a.pt"]


def test_equal_weights_give_equal_bytes(tmp_path):
    net = factory.stream_net(SETTINGS, "motion", 7)
    checkpoint.save(tmp_path / "a.pt", net, **ABOUT)
    checkpoint.save(
        tmp_path / "another name.pt",
        checkpoint.load(tmp_path / "a.pt", factory.stream_net(SETTINGS, "motion", 7)),
        **dict(reversed(ABOUT.items())),
    )
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another name.pt").read_bytes()


@pytest.mark.parametrize("key", ABOUT)
def test_models_of_another_kind_set_split_or_stream_are_refused(tmp_path, key):
    checkpoint.save(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT)
    with pytest.raises(PipelineError, match="other"):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT | {key: "other"})


def row(clip: str, group: str) -> dict:
    return {"clip": f"Archery/{clip}", "group": f"Archery/{group}"}


def test_a_model_refuses_to_score_what_it_was_trained_on(tmp_path):
    trained = [
        row(f"v_g{group:02d}_c{clip:02d}", f"g{group:02d}") for group in (2, 1) for clip in (1, 2)
    ]
    fresh = [row("v_g03_c01", "g03"), row("v_g04_c01", "g04")]
    checkpoint.save(tmp_path / "a.pt", nn.Linear(3, 2), trained, **ABOUT)
    checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), fresh, **ABOUT)
    checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT)
    with pytest.raises(
        PipelineError, match=r"a\.pt.*'ucf101', split 'split1'.* 1 of the 3 .*: Archery/v_g01_c02;"
    ):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), [*fresh, trained[3]], **ABOUT)
    with pytest.raises(
        PipelineError, match=r"v_g01_c09; "
    ):  # another clip of a scene that it knows
        checkpoint.load(
            tmp_path / "a.pt", nn.Linear(3, 2), [*fresh, row("v_g01_c09", "g01")], **ABOUT
        )
    with pytest.raises(
        PipelineError, match=r" 4 of the 4 .*v_g02_c01, Archery/v_g02_c02, Archery/v_g01_c01 \.\.;"
    ):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), trained, **ABOUT)


def test_the_order_of_training_clips_leaves_the_bytes(tmp_path):
    rows = [row(f"v_g{number}", f"g{number}") for number in range(9)]
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    for name, order in (("a", rows), ("b", rows[::-1])):
        checkpoint.save(tmp_path / f"{name}.pt", net, order, **ABOUT)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", Path("a/pickle"), torch.zeros(3), {}, {"about": "{}", "weights": {}}],
    ids=["empty", "text", "object", "tensor", "nothing", "no state"],
)
def test_files_that_are_no_models_are_refused(tmp_path, content):
    path = tmp_path / "a.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(PipelineError, match="not a model") as caught:
        checkpoint.load(path, nn.Linear(3, 2), kind="co2fi")
    # It may be somebody's own.
    assert "rm " not in str(caught.value)


def test_a_missing_model_is_said_to_be_missing(tmp_path):
    with pytest.raises(PipelineError, match="a.pt: there is no such file; make it with: snakemake"):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), kind="co2fi")


def test_one_flipped_bit_of_the_weights_is_found(tmp_path):
    path = tmp_path / "a.pt"
    model = nn.Linear(3, 2)
    checkpoint.save(path, model, **ABOUT)
    content = bytearray(path.read_bytes())
    content[content.index(model.weight.detach().numpy().tobytes()) + 5] ^= 4
    path.write_bytes(content)
    # Neither torch nor zip finds it.
    assert torch.load(path, weights_only=True)["state"]["weight"].shape == (2, 3)
    for read in (checkpoint.classes_of, lambda path: checkpoint.load(path, model, **ABOUT)):
        with pytest.raises(PipelineError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ") and remake(path) in str(caught.value)


def test_models_of_another_size_are_refused(tmp_path):
    checkpoint.save(tmp_path / "a.pt", nn.Linear(3, 4), **ABOUT)
    with pytest.raises(PipelineError, match="a.pt"):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT)
