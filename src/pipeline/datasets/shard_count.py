"""How many shards a set has where its config does not say.

Standard library only: the Snakefile imports this module.
"""

# A small set is spread over the cores of a usual machine.
FEWEST = 8
# Of flow that is some hours on a core, which a kill costs at most one clip of.
MOST_CLIPS = 128


def default(clips: int) -> int:
    """Return the shards of a set of so many clips: 8, doubled until each has 128 clips at most.

    Doubling makes it rare that added clips change the number, which spreads all clips anew.
    """
    count = FEWEST
    while count * MOST_CLIPS < clips:
        count *= 2
    return count
