"""The streams and directions of the method: names, stores, and how inputs are scaled."""

STREAMS = ("appearance", "motion")

# direction -> (stream that gives a single input, stream that gives a sequence of inputs).
# An appearance-to-motion network fuses one frame with five flow stacks, a motion-to-appearance
# network one flow stack with five frames (paper, Fig. 5).
DIRECTIONS = {
    "appearance-to-motion": ("appearance", "motion"),
    "motion-to-appearance": ("motion", "appearance"),
}

# The kind of store that each stream reads.
STORES = {"appearance": "frames", "motion": "flow"}

# Mean and standard deviation per channel, of pixels divided by 255. RGB has the ImageNet statistics
# of torchvision's weights. Stored flow is centred at 128 and gets the scale of RGB,
# 1 / (0.226 * 255), because the motion network starts from RGB weights.
MEAN = {"appearance": (0.485, 0.456, 0.406), "motion": (128 / 255,)}
STD = {"appearance": (0.229, 0.224, 0.225), "motion": (0.226,)}


def channels(stream: str, stack: int) -> int:
    """Return the input channels of a stream's networks: 3, or 2 per flow field of a stack."""
    return 3 if stream == "appearance" else 2 * stack
