"""What the paper's trainings minimise: from a network and a batch of draws to the mean loss of the batch."""

from collections.abc import Callable

import torch
from torch import nn

from pipeline.data import groups
from pipeline.data.transforms import normalise
from pipeline.streams import DIRECTIONS
from pipeline.training.losses import joint_loss, stream_loss, unit_loss

LossOf = Callable[[nn.Module, dict], torch.Tensor]


def of_stream(stream: str, settings: dict) -> LossOf:
    """Eq. 4 of a stream's network, or a baseline's log loss, on batches of StreamDraws with groups."""
    loss = settings["loss"]

    def loss_of(net: nn.Module, batch: dict) -> torch.Tensor:
        formed = groups.form_all(
            batch["groups"],
            batch["label"],
            settings["granularities"],
            settings["groups"]["missing"],
        )
        return stream_loss(
            net(normalise(batch["input"], stream)),
            batch["label"],
            formed,
            loss["alpha"],
            loss["beta"],
        )

    return loss_of


def of_direction(direction: str, settings: dict) -> LossOf:
    """Eq. 6 of both streams' networks and their fusion, on batches of PeriodDraws."""
    one, many = DIRECTIONS[direction]
    loss, forming = settings["loss"], (settings["granularities"], settings["groups"]["missing"])

    def loss_of(net: nn.Module, batch: dict) -> torch.Tensor:
        labels = batch["label"]
        output = net(normalise(batch["one"], one), normalise(batch["many"], many))
        ranked_many = batch["groups_many"].flatten(0, 1)  # (B, T, depth) -> (B T, depth)
        labels_many = labels.repeat_interleave(settings["period"]["instants"])
        return joint_loss(
            output,
            labels,
            groups.form_all(batch["groups_one"], labels, *forming),
            groups.form_all(ranked_many, labels_many, *forming),
            loss["alpha"],
            loss["beta"],
            loss["gamma"],
        )

    return loss_of


def of_fusion(settings: dict) -> LossOf:
    """Eq. 5 of the fusion alone, on batches of FeatureDraws."""
    gamma = settings["loss"]["gamma"]
    return lambda net, batch: unit_loss(
        net.fusion(batch["one"], batch["many"]), batch["label"], gamma
    )
