"""The streams and directions of the method: their names, what they read, and the scale of their inputs."""

STREAMS = ("appearance", "motion")
# An appearance-to-motion net fuses one frame with five stacks, a motion-to-appearance net one stack with five frames.
DIRECTIONS = {
    "appearance-to-motion": ("appearance", "motion"),
    "motion-to-appearance": ("motion", "appearance"),
}
STORES = {"appearance": "frames", "motion": "flow"}  # the store that a stream reads
# ImageNet statistics for RGB (torchvision's weights); flow is 128-centred and has the same scale, 1 / (0.226 * 255), as
# the RGB weights that its first layer starts from.
MEAN = {"appearance": (0.485, 0.456, 0.406), "motion": (128 / 255,)}
STD = {"appearance": (0.229, 0.224, 0.225), "motion": (0.226,)}


def channels(stream: str, stack: int) -> int:
    """Input channels of a stream's networks: 3, or 2 for each flow field of a stack."""
    return 3 if stream == "appearance" else 2 * stack
