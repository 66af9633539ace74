"""Any network of timm that gives feature maps of several stages.

timm is imported by the jobs that build such a network, and by no others: it takes seconds.
"""

import re

import torch
from torch import nn
from torch.nn.functional import group_norm
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import PipelineError, first_line
from pipeline.jobs import record
from pipeline.models.backbones.weight_files import read_tensors
from pipeline.streams import MEAN, STD

# Side outputs: the last stages of the network, as many as VGG-16 gives.
STAGES = 3
# Relative difference of deviations that counts as none: that of flow is the mean of the RGB ones.
SAME = 1e-6
# What network.batch_norm may be.
BATCH_NORM = ("frozen", "partial", "batch")


class TimmNet(nn.Module):
    """The last three stages of the network that timm calls `name`.

    `channels` are the channels of the input, 3 or 2 per flow field; `size` is its height and width.
    The attributes `channels` and `strides` describe the three side outputs.

    Stages of such networks end in all kinds of ways: rectified, added to what came before, linear.
    So each map is brought to mean 0 and deviation 1 over its channels and pixels, sample by sample
    (Wu and He, 2018, with one group and without weights). What follows learns as well from any.

    The input comes as `transforms.normalise` gives it. A network that timm trained on pixels of
    another mean and deviation has it scaled to these first (`input_scaling`).

    `batch_norm` says which BatchNorm layers normalise with the statistics of the batch in training
    and keep their running mean: none if 'frozen', the first if 'partial' (Wang et al., 2016), all
    if 'batch'. The others use and keep their stored statistics, in training as in evaluation. Their
    weights and biases are trained in any case.

    Raises PipelineError where timm has no such network, or the network does not take such inputs.
    """

    def __init__(self, name: str, channels: int, *, size: int, batch_norm: str = "frozen"):
        super().__init__()
        self.name, self.in_channels, self.size = name, channels, size
        self.batch_norm = batch_norm
        self.net = _create(name, channels, size)
        self.channels = list(self.net.feature_info.channels())
        self.strides = tuple(self.net.feature_info.reduction())
        scale, shift = input_scaling(self.net.pretrained_cfg, channels)
        # Both are kept in model files: another version of timm may have other statistics.
        self.register_buffer("input_scale", scale)
        self.register_buffer("input_shift", shift)
        self.train()

    def train(self, mode: bool = True) -> "TimmNet":
        """Set training mode, in which frozen BatchNorm layers stay in evaluation mode."""
        super().train(mode)
        layers = [layer for layer in self.net.modules() if isinstance(layer, _BatchNorm)]
        kept = {"frozen": layers, "partial": layers[1:], "batch": []}[self.batch_norm]
        for layer in kept:
            layer.eval()
        return self

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, channels, H, W) to the three side outputs, about H/stride x W/stride each."""
        if self.input_scale is not None:
            x = x * self.input_scale + self.input_shift
        maps = self.net(x)
        if getattr(self.net, "output_fmt", "NCHW") == "NHWC":
            # (B, H, W, C) -> (B, C, H, W)
            maps = [stage.permute(0, 3, 1, 2) for stage in maps]
        return [group_norm(stage, num_groups=1) for stage in maps]

    def sides(self, size: int) -> list[int]:
        """Return the height and width of each side output at an input of `size`.

        A network of convolutions without padding has smaller maps than its strides say, so this
        looks at those of an empty image.

        Raises PipelineError where the network does not take inputs of this size.
        """
        training, problem, shapes = self.training, "", []
        self.eval()
        try:
            with torch.no_grad():
                maps = self(torch.zeros(1, self.in_channels, size, size))
            shapes = [tuple(stage.shape[1:]) for stage in maps]
        # Networks refuse a size by exceptions of many types.
        except Exception as error:
            problem = f" ({first_line(error)})"
        self.train(training)
        expected = [
            (count, shape[-1], shape[-1])
            for count, shape in zip(self.channels, shapes, strict=False)
        ]
        if len(shapes) != STAGES or shapes != expected or min(shapes)[-1] < 1:
            raise PipelineError(
                f"the backbone {self.name} gives no {STAGES} maps of an input of {size} x {size} "
                f"pixels{problem}; set crops.size to a size that it takes, such as "
                f"{usual_size(self.net.pretrained_cfg)}, or network.backbone to another"
            )
        return [shape[-1] for shape in shapes]

    def start_from(self, weights: str, extra_layers: dict | None = None) -> None:
        """Load pretrained weights.

        `weights` is 'imagenet' (timm downloads those that belong to the name), a file of torch or
        safetensors with timm's names, of the whole classifier or of its feature maps, or 'none',
        which leaves the network as it is.

        A network whose input is not RGB gets the mean of the first layer's RGB weights in every
        channel, as VGG16 does. `extra_layers` have no weights here.

        Raises PipelineError when the weights cannot be read or do not fit.
        """
        if weights == "none":
            return
        with torch.device("meta"):
            wanted = _create(self.name, 3, self.size).state_dict()
        named = weights == "imagenet"
        state = _download(self.name) if named else read_tensors(weights, self.name)
        values = _matched(weights, self.name, state, wanted)
        own = self.net.state_dict()
        for key, value in values.items():
            if value.shape != own[key].shape:
                values[key] = _first_layer(self.name, value, own[key].shape)
        self.net.load_state_dict(own | values)
        record.log(f"{self.name}: {len(values)} tensors from {weights}")


def input_scaling(
    config: dict, channels: int
) -> tuple[torch.Tensor, torch.Tensor] | tuple[None, None]:
    """Return factor and summand, (channels or 1, 1, 1) each, that bring inputs to those expected.

    `config` holds the mean and std of the pixels / 255 that a network of timm expects. The inputs
    are y = (pixels / 255 - MEAN) / STD, so (pixels / 255 - mean) / std = y STD / std + (MEAN -
    mean) / std. Both are None where that is y itself.

    Flow has no colours: it is scaled by the ratio of the mean deviations, and no motion stays 0.
    """
    mean, std = config["mean"], config["std"]
    if channels != 3:
        scale, shift = (STD["motion"][0] * len(std) / sum(std),), (0.0,)
    else:
        own = tuple(zip(MEAN["appearance"], STD["appearance"], mean, std, strict=True))
        scale = tuple(own_std / their_std for _, own_std, _, their_std in own)
        shift = tuple((own_mean - their) / their_std for own_mean, _, their, their_std in own)
    if all(abs(factor - 1) < SAME for factor in scale) and not any(shift):
        return None, None
    return tuple(torch.tensor(values)[:, None, None] for values in (scale, shift))


def usual_size(config: dict) -> int:
    """Return the height that a network of timm was trained at."""
    return config["input_size"][-1]


def _create(name: str, channels: int, size: int) -> nn.Module:
    """Return timm's network `name` with random weights, giving the maps of its last stages."""
    import timm

    options = {"pretrained": False, "features_only": True, "in_chans": channels}
    try:
        if timm.get_pretrained_cfg(name).fixed_input_size:
            options["img_size"] = size
        with torch.device("meta"):
            stages = len(timm.create_model(name, **options).feature_info.channels())
        if stages >= STAGES:
            last = tuple(range(stages - STAGES, stages))
            return timm.create_model(name, **options, out_indices=last)
    # timm raises exceptions of many types for a network that it cannot build so.
    except Exception as error:
        raise PipelineError(
            f"network.backbone: timm cannot build {name} for feature maps of {size} x {size} "
            f"pixels ({first_line(error)}); set another"
        ) from error
    raise PipelineError(
        f"network.backbone: {name} has {stages} stages of feature maps, and {STAGES} are wanted; "
        "set another"
    )


def _matched(
    source: str, name: str, state: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by the names of a features-only network, `wanted`.

    timm renames the layers of some networks when it cuts them: stages.0 becomes stages_0.

    Raises PipelineError where one is missing, has another shape, or is not finite.
    """
    aliases = {}
    for key in state:
        for alias in (key.replace(".", "_", 1), f"model.{key}", key):
            aliases[alias] = key
    found = {key: state[aliases[key]] for key in wanted if key in aliases}
    # The counter of batches is of no use: old files lack it.
    missing = [
        key for key in wanted if key not in found and not key.endswith("num_batches_tracked")
    ]
    if missing:
        raise PipelineError(
            f"{source}: no '{missing[0]}' in it, nor {len(missing) - 1} more of the "
            f"{len(wanted)} tensors of {name}; set network.weights to a file of {name} in timm's "
            "names, or to 'none'"
        )
    for key, value in found.items():
        if value.shape != wanted[key].shape:
            raise PipelineError(
                f"{source}: '{aliases[key]}' is {tuple(value.shape)}, and {name} wants "
                f"{tuple(wanted[key].shape)} (tables of positions fit one crops.size only); set "
                f"network.weights to a file of {name}, or to 'none'"
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise PipelineError(
                f"{source}: '{aliases[key]}' holds what is no number; set network.weights to "
                "another file"
            )
    return found


def _first_layer(name: str, rgb: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return the weights of a first layer whose input is not RGB: (out, channels, h, w).

    Every channel gets the mean of the RGB weights, (out, 3, h, w) (Wang et al., 2015).
    """
    if rgb.ndim != 4 or rgb.shape[1] != 3:
        raise PipelineError(
            f"network.backbone: the first layer of {name} is no convolution over the channels of "
            "its input, so the motion stream cannot start from RGB weights; set another backbone, "
            "or network.weights to 'none'"
        )
    return rgb.float().mean(dim=1, keepdim=True).expand(shape)


def _download(name: str) -> dict[str, torch.Tensor]:
    """Return the pretrained weights that belong to a name, which timm downloads and keeps."""
    import timm

    try:
        return timm.create_model(name, pretrained=True).state_dict()
    # The hub, the file and the name each fail in ways of their own.
    except Exception as error:
        reason = re.sub(r"https?://\S+", "the hub", first_line(error))
        raise PipelineError(
            f"the ImageNet weights of {name} cannot be downloaded ({reason}); set network.weights "
            "to a file of them, brought from elsewhere, to one that 'pipeline weights list' "
            "names, or to 'none' to train from scratch"
        ) from error
