"""The criteria that training runs minimise, each the mean loss of a batch."""

import torch
from torch import nn

from pipeline.data import groups
from pipeline.data.transforms import normalise
from pipeline.streams import DIRECTIONS
from pipeline.training.losses import consensus_loss, joint_loss, stream_loss, unit_loss
from pipeline.training.step import Criterion


def stream_criterion(stream: str, settings: dict) -> Criterion:
    """Return Eq. 4 of a stream's network, or a baseline's cross-entropy.

    Batches are those of a StreamDataset with groups. Reads the settings loss, granularities and
    groups.missing.
    """
    loss = settings["loss"]
    sizes, missing = settings["granularities"], settings["groups"]["missing"]

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        formed = groups.form_all(batch["groups"], batch["label"], sizes, missing)
        output = model(normalise(batch["input"], stream))
        return stream_loss(output, batch["label"], formed, loss["alpha"], loss["beta"])

    return criterion


def consensus_criterion(stream: str) -> Criterion:
    """Return the cross-entropy of the mean logits of a clip's snippets, for a stream's baseline.

    Batches are those of a SnippetDataset.
    """

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        inputs = normalise(batch["input"], stream).flatten(0, 1)  # (B, K, ..) -> (B K, ..)
        return consensus_loss(model(inputs).units[-1], batch["label"])

    return criterion


def direction_criterion(direction: str, settings: dict) -> Criterion:
    """Return Eq. 6 of both streams' networks and their fusion.

    Batches are those of a PeriodDataset with groups. Reads the settings loss, granularities,
    groups.missing and period.instants.
    """
    single_stream, sequence_stream = DIRECTIONS[direction]
    loss = settings["loss"]
    sizes, missing = settings["granularities"], settings["groups"]["missing"]

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        labels = batch["label"]
        output = model(
            normalise(batch["one"], single_stream), normalise(batch["many"], sequence_stream)
        )
        single_groups = groups.form_all(batch["groups_one"], labels, sizes, missing)
        sequence_ranked = batch["groups_many"].flatten(0, 1)  # (B, T, depth) -> (B T, depth)
        sequence_labels = labels.repeat_interleave(settings["period"]["instants"])
        sequence_groups = groups.form_all(sequence_ranked, sequence_labels, sizes, missing)
        return joint_loss(
            output,
            labels,
            single_groups,
            sequence_groups,
            loss["alpha"],
            loss["beta"],
            loss["gamma"],
        )

    return criterion


def fusion_criterion(settings: dict) -> Criterion:
    """Return Eq. 5 of the fusion alone, on batches of a FeatureDataset; reads loss.gamma."""
    gamma = settings["loss"]["gamma"]

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        return unit_loss(model.fusion(batch["one"], batch["many"]), batch["label"], gamma)

    return criterion
