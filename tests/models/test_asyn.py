"""The asynchronous fusion against float64 arithmetic of the paper's equations by hand."""

import copy

import numpy as np
import torch
from model_cases import check_shared_units, lstm_chain, numpy, small_asyn

from pipeline.models.asyn import Fusion
from pipeline.training.losses import co2fi_loss, joint_loss


def test_shared_units_of_the_fusion():
    torch.manual_seed(0)
    net = Fusion(6, 7, hidden=4, instants=5, maps=2, dropout=0.0, shared=True).double()
    one, many = torch.randn(3, 6).double(), torch.randn(3, 5, 6).double()
    fused = [
        np.maximum(
            np.einsum(
                "mk,kbf->bmf",
                numpy(conv.weight)[:, :, 0],
                np.stack([numpy(one), numpy(many[:, t])]),
            ),
            0,
        )
        for t, conv in enumerate(net.convs)
    ]
    _, logits = lstm_chain([net.units[0]] * 5, net.heads, [x.reshape(3, -1) for x in fused])
    np.testing.assert_allclose(numpy(net(one, many)), logits, atol=1e-12)
    check_shared_units(net, lambda net: (net(one, many) ** 2).sum())


def test_fusion():
    """Section 5: K_t is a 1 x 1 convolution over two 1-d maps; unit t of an LSTM reads its ReLU."""
    torch.manual_seed(5)
    net = Fusion(6, 7, hidden=4, instants=5, maps=2, dropout=0.5).double().eval()
    with torch.no_grad():
        for conv in net.convs:
            conv.bias.normal_()
    one, many = torch.randn(3, 6).double(), torch.randn(3, 5, 6).double()
    fused = []
    for t, conv in enumerate(net.convs):
        weight, bias = numpy(conv.weight), numpy(conv.bias)  # (maps, 2, 1), (maps,)
        fused.append(
            np.concatenate(
                [
                    np.maximum(w[0] * numpy(one) + w[1] * numpy(many[:, t]) + b, 0)
                    for w, b in zip(weight, bias, strict=True)
                ],
                axis=1,
            )
        )
    _, logits = lstm_chain(net.units, net.heads, fused)
    np.testing.assert_allclose(numpy(net(one, many)), logits, atol=1e-12)


def test_dropout_of_the_features_that_are_fused():
    """A rate of p drops features before K_t and divides others by 1 - p; p = 0 draws nothing."""
    torch.manual_seed(2)
    net = Fusion(200, 7, hidden=4, instants=5, dropout=0.0, feature_dropout=0.25).train()
    seen = []
    for conv in net.convs:
        conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.ones(8, 200), torch.ones(8, 5, 200))
    pairs = torch.stack(seen)  # (5, 8, 2, 200)
    kept = pairs != 0
    assert torch.equal(pairs[kept], torch.full_like(pairs[kept], 4 / 3))
    # 5 x 8 x 200 draws of 'many': 0.75 within four deviations, 0.005 each.
    assert abs(kept[:, :, 1].float().mean() - 0.75) < 0.02
    # The single feature is one for all instants, those of the sequence are each their own.
    assert (kept[:, :, 0] == kept[:1, :, 0]).all() and (kept[0, :, 1] != kept[1, :, 1]).any()
    seen.clear()
    net.eval()(torch.ones(8, 200), torch.ones(8, 5, 200))
    assert torch.equal(torch.stack(seen), torch.ones(5, 8, 2, 200))
    state = torch.get_rng_state()
    Fusion(200, 7, hidden=4, dropout=0.0).train()  # builds, and so draws
    built = torch.get_rng_state()
    torch.set_rng_state(state)
    Fusion(200, 7, hidden=4, dropout=0.0).train()(torch.ones(8, 200), torch.ones(8, 5, 200))
    assert torch.equal(torch.get_rng_state(), built)


def test_fusion_shares_no_parameters():
    net = Fusion(6, 7, hidden=4, instants=5)
    pointers = [p.data_ptr() for p in net.parameters()]
    assert (
        len(net.convs) == len(net.units) == len(net.heads) == 5
        and len(set(pointers)) == len(pointers) == 5 * 8
    )


def test_asyn_is_sample_major():
    net = small_asyn().eval()
    one, many = torch.randn(2, 3, 16, 16).double(), torch.randn(2, 5, 4, 16, 16).double()
    output = net(one, many)
    alone = torch.stack(
        [torch.stack([net.many(many[b, t][None]).feature[0] for t in range(5)]) for b in range(2)]
    )
    torch.testing.assert_close(output.sequence.feature, alone.reshape(10, -1))
    torch.testing.assert_close(output.single.feature, net.one(one).feature)
    torch.testing.assert_close(output.units, net.fusion(net.one(one).feature, alone))
    assert output.units.shape == (5, 2, 7)


def test_five_passes_of_the_shared_net_sum_their_gradients():
    """Eq. 6: T networks share weights, so their gradient is the sum of T separate ones."""
    alpha, beta, gamma = [0.1, 0.1, 1.0], 2.0, 2.0
    net = small_asyn().train()
    rng = torch.Generator().manual_seed(6)
    one, many = (
        torch.randn(2, 3, 16, 16, generator=rng).double(),
        torch.randn(2, 5, 4, 16, 16, generator=rng).double(),
    )
    labels = torch.tensor([2, 6])
    groups_one = [torch.randint(7, (2, size), generator=rng) for size in (5, 3, 1)]
    groups_many = [torch.randint(7, (2, 5, size), generator=rng) for size in (5, 3, 1)]
    flat = [group.flatten(0, 1) for group in groups_many]  # (B, T, size) -> (B T, size)
    joint_loss(net(one, many), labels, groups_one, flat, alpha, beta, gamma).backward()

    copies = [copy.deepcopy(net.many) for _ in range(5)]
    first, fusion = copy.deepcopy(net.one), copy.deepcopy(net.fusion)
    for part in (*copies, first, fusion):
        part.zero_grad()
    outputs = [part(many[:, t]) for t, part in enumerate(copies)]
    own = first(one)
    loss = co2fi_loss(own, labels, groups_one, alpha, beta)
    for t, output in enumerate(outputs):
        loss = loss + co2fi_loss(
            output, labels, [group[:, t] for group in groups_many], alpha, beta
        )
    log_p = fusion(own.feature, torch.stack([o.feature for o in outputs], dim=1)).log_softmax(
        -1
    )  # (T, B, N)
    (loss - gamma / 7 * log_p[:, [0, 1], labels].sum(0).mean()).backward()  # Eq. 5
    for name, p in net.many.named_parameters():
        torch.testing.assert_close(
            p.grad, sum(part.get_parameter(name).grad for part in copies), msg=name
        )
    assert [name for name, p in net.many.named_parameters() if not p.grad.any()] == [
        "units.0.weight_hh"
    ]  # h_0 = 0
    for part, separate in ((net.one, first), (net.fusion, fusion)):
        for name, p in part.named_parameters():
            torch.testing.assert_close(p.grad, separate.get_parameter(name).grad, msg=name)
