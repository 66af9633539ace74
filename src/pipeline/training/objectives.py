"""The criteria that training runs minimise, each the mean loss of a batch."""

from collections.abc import Callable

import torch
from torch import nn

from pipeline.config import kinds
from pipeline.data import groups
from pipeline.data.transforms import normalise
from pipeline.streams import DIRECTIONS
from pipeline.training.losses import consensus_loss, joint_loss, stream_loss, unit_loss
from pipeline.training.step import Criterion


def stream_criterion(stream: str, settings: dict) -> Criterion:
    """Return Eq. 4 of a stream's network, or a baseline's cross-entropy.

    Batches are those of a StreamDataset, of Eq. 4 with rankings. That reads the settings loss,
    granularities and groups.missing.
    """
    form, weights = _of_groups(settings)

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        formed = form(batch.get("groups"), batch["label"])
        output = model(normalise(batch["input"], stream))
        return stream_loss(output, batch["label"], formed, **weights)

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

    Batches are those of a PeriodDataset, of CO2FI with rankings. Reads the settings loss.gamma,
    period.instants and what `stream_criterion` reads.
    """
    single_stream, sequence_stream = DIRECTIONS[direction]
    form, weights = _of_groups(settings)
    gamma, instants = settings["loss"]["gamma"], settings["period"]["instants"]

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        labels = batch["label"]
        output = model(
            normalise(batch["one"], single_stream), normalise(batch["many"], sequence_stream)
        )
        single_groups = form(batch.get("groups_one"), labels)
        sequence_groups = form(batch.get("groups_many"), labels.repeat_interleave(instants))
        return joint_loss(output, labels, single_groups, sequence_groups, gamma=gamma, **weights)

    return criterion


def _of_groups(settings: dict) -> tuple[Callable, dict]:
    """Return what forms groups of rankings and labels, and the weights alpha and beta of Eq. 4.

    Rankings (.., depth) are those of as many labels (B,). Baselines have no groups, and no use for
    either weight.
    """
    if not kinds.has_groups(settings):
        return lambda ranked, labels: [], {"alpha": [], "beta": 0.0}
    sizes, missing = settings["granularities"], settings["groups"]["missing"]

    def form(ranked: torch.Tensor, labels: torch.Tensor) -> list[torch.Tensor]:
        # (B, T, depth) -> (B T, depth)
        return groups.form_all(ranked.flatten(0, -2), labels, sizes, missing)

    return form, {key: settings["loss"][key] for key in ("alpha", "beta")}


def fusion_criterion(settings: dict) -> Criterion:
    """Return Eq. 5 of the fusion alone, on batches of a FeatureDataset; reads loss.gamma."""
    gamma = settings["loss"]["gamma"]

    def criterion(model: nn.Module, batch: dict) -> torch.Tensor:
        return unit_loss(model.fusion(batch["one"], batch["many"]), batch["label"], gamma)

    return criterion
