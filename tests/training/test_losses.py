"""Eqs. 1 and 3 to 6 against float64 arithmetic, class by class."""

import numpy as np
import pytest
import torch
from model_cases import baseline, numpy

from pipeline.data.groups import form_all
from pipeline.models.outputs import ASYNOutput, CO2FIOutput
from pipeline.training.losses import (
    co2fi_loss,
    consensus_loss,
    granularity_loss,
    joint_loss,
    stream_loss,
    unit_loss,
)

N, B, T = 7, 3, 5  # classes, batch, instants
ALPHA, BETA, GAMMA = [0.1, 0.2, 1.0], 2.0, 3.0
SIZES = [5, 3, 1]


def log_p(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits)
    return np.log(p / p.sum(axis=-1, keepdims=True))


def eq1(logits: np.ndarray, groups: list[list[int]]) -> float:
    """Of one sample: logits (3, N), groups G_1 .. G_3."""
    return -sum(ALPHA[k] * log_p(logits[k])[n] for k in range(3) for n in groups[k]) / N


def eq3(logits: np.ndarray, label: int, weight: float) -> float:
    """Of one sample: logits (units, N). Eq. 5, too."""
    return -weight / N * sum(log_p(unit)[label] for unit in logits)


def sample_co2fi(
    rng: np.random.Generator, batch: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Logits of granularities and of units, (3, batch, N) each; groups, (batch, size) each."""
    groups = [np.stack([rng.permutation(N)[:size] for _ in range(batch)]) for size in SIZES]
    return rng.normal(0, 2, (3, batch, N)), rng.normal(0, 2, (3, batch, N)), groups


def eq4(
    granularities: np.ndarray, units: np.ndarray, groups: list[np.ndarray], labels: np.ndarray
) -> np.ndarray:
    """(batch,) of Eq. 4 for each sample."""
    return np.array(
        [
            eq1(granularities[:, b], [group[b] for group in groups]) + eq3(units[:, b], label, BETA)
            for b, label in enumerate(labels)
        ]
    )


def output_of(granularities: np.ndarray, units: np.ndarray) -> CO2FIOutput:
    return CO2FIOutput(
        torch.zeros(units.shape[1], 2), torch.from_numpy(units), torch.from_numpy(granularities)
    )


def tensors(groups: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(group) for group in groups]


def test_eq1_sums_over_groups_and_averages_over_the_batch():
    logits, _, groups = sample_co2fi(np.random.default_rng(0), B)
    expected = np.mean([eq1(logits[:, b], [group[b] for group in groups]) for b in range(B)])
    found = granularity_loss(torch.from_numpy(logits), tensors(groups), ALPHA)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-12)


def test_eq1_over_groups_of_different_sizes():
    """A group may have a class more in some samples than in others (groups.missing: add)."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (3, B, N))
    order = np.stack([rng.permutation(N) for _ in range(B)])
    ranked, labels = (
        order[:, :5],
        order[[0, 1, 2], [1, 4, 6]],
    )  # ranked second, fifth, and not at all
    lists = [
        [[*row[:size], *([] if label in row[:size] else [label])] for size in SIZES]
        for row, label in zip(ranked, labels, strict=True)
    ]
    assert [[len(group) for group in groups] for groups in lists] == [
        [5, 3, 2],
        [5, 4, 2],
        [6, 4, 2],
    ]
    formed = form_all(torch.from_numpy(ranked), torch.from_numpy(labels), SIZES, "add")
    found = torch.from_numpy(logits).requires_grad_()
    loss = granularity_loss(found, formed, ALPHA)
    np.testing.assert_allclose(
        loss.item(), np.mean([eq1(logits[:, b], lists[b]) for b in range(B)]), rtol=1e-12
    )
    loss.backward()  # d -log p(n) / d logits = p - 1 at n, p elsewhere
    p = np.exp(log_p(logits))
    expected = np.stack(
        [
            [sum(p[k, b] - np.eye(N)[n] for n in lists[b][k]) * ALPHA[k] / N / B for b in range(B)]
            for k in range(3)
        ]
    )
    np.testing.assert_allclose(found.grad.numpy(), expected, atol=1e-12)


def test_eq1_of_equal_probabilities():
    """p = 1/N everywhere: each class of each group costs alpha_k log(N) / N."""
    groups = [np.arange(size)[None] for size in SIZES]
    found = granularity_loss(torch.zeros(3, 1, N, dtype=torch.float64), tensors(groups), ALPHA)
    np.testing.assert_allclose(
        found.item(), (5 * 0.1 + 3 * 0.2 + 1 * 1.0) * np.log(N) / N, rtol=1e-12
    )


def test_eqs_3_and_5_sum_over_units_and_average_over_the_batch():
    rng = np.random.default_rng(1)
    labels = np.array([4, 0, 6])
    for units, weight in ((3, BETA), (T, GAMMA)):
        logits = rng.normal(0, 2, (units, B, N))
        expected = np.mean([eq3(logits[:, b], labels[b], weight) for b in range(B)])
        found = unit_loss(torch.from_numpy(logits), torch.from_numpy(labels), weight)
        np.testing.assert_allclose(found.item(), expected, rtol=1e-12)


def test_eq4():
    granularities, units, groups = sample_co2fi(np.random.default_rng(2), B)
    labels = np.array([1, 5, 5])
    found = co2fi_loss(
        output_of(granularities, units), torch.from_numpy(labels), tensors(groups), ALPHA, BETA
    )
    np.testing.assert_allclose(
        found.item(), eq4(granularities, units, groups, labels).mean(), rtol=1e-12
    )


def test_eq6_sums_over_instants_and_averages_over_the_batch():
    rng = np.random.default_rng(3)
    labels = np.array([2, 6, 0])
    one, many = (
        sample_co2fi(rng, B),
        sample_co2fi(rng, B * T),
    )  # many: sample by sample, instants within
    fused = rng.normal(0, 2, (T, B, N))
    expected = 0.0
    for b, label in enumerate(labels):
        mine = slice(b * T, (b + 1) * T)
        first = eq4(
            many[0][:, mine],
            many[1][:, mine],
            [group[mine] for group in many[2]],
            np.full(T, label),
        ).sum()
        second = eq4(
            one[0][:, b : b + 1],
            one[1][:, b : b + 1],
            [group[b : b + 1] for group in one[2]],
            [label],
        ).sum()
        expected += (first + second + eq3(fused[:, b], label, GAMMA)) / B
    output = ASYNOutput(torch.from_numpy(fused), output_of(*one[:2]), output_of(*many[:2]))
    found = joint_loss(
        output, torch.from_numpy(labels), tensors(one[2]), tensors(many[2]), ALPHA, BETA, GAMMA
    )
    np.testing.assert_allclose(found.item(), expected, rtol=1e-12)


def test_a_baselines_loss_is_the_log_loss_of_its_softmax():
    net = baseline("baseline").train()
    labels = torch.tensor([1, 4, 6])
    output = net(torch.randn(3, 4, 64, 64))
    logits = numpy(output.units[0])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(3), labels.numpy()]).mean()
    assert stream_loss(output, labels, [], [], 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_snippets_of_a_clip_agree_on_the_mean_of_their_logits():
    """TSN, Eqs. 1 to 3: G is the mean of F over a clip's snippets; loss -G_y + log sum exp G."""
    snippets = 3
    logits = np.random.default_rng(4).normal(0, 2, (B * snippets, N))
    labels = np.array([6, 0, 3])
    expected = 0.0
    for b, label in enumerate(labels):
        mean = (logits[3 * b] + logits[3 * b + 1] + logits[3 * b + 2]) / 3
        expected += (np.log(np.exp(mean).sum()) - mean[label]) / B
    found = torch.from_numpy(logits).requires_grad_()
    loss = consensus_loss(found, torch.from_numpy(labels))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    # d loss / d F = (softmax(G) - 1 at the label) / (K B): each snippet of a clip has the same.
    loss.backward()
    mean = logits.reshape(B, snippets, N).mean(axis=1)
    gradient = (np.exp(log_p(mean)) - np.eye(N)[labels]) / (snippets * B)
    np.testing.assert_allclose(found.grad.numpy(), gradient.repeat(snippets, axis=0), atol=1e-12)


def test_one_snippet_is_the_cross_entropy_of_a_baseline():
    logits, labels = torch.randn(B, N), torch.tensor([1, 4, 6])
    assert torch.equal(
        consensus_loss(logits, labels), torch.nn.functional.cross_entropy(logits, labels)
    )
