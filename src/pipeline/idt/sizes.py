"""How long Fisher vectors are, and what SVMs of so many take in memory. Standard library only."""

# Values of a trajectory behind the PCA of its descriptors.
REDUCED = 213
# The most clips whose SVMs are solved on the products of all with all. It does not follow the
# machine's memory, so that a set has the same result everywhere.
MOST_AT_ONCE = 16_000
# Bytes of a product: it is a float64, and scikit-learn's solver keeps some of them again.
PRODUCT = 14
# Columns of vectors that are multiplied at a time.
COLUMNS = 4096
# Clips whose vectors are in memory at a time where they are read in blocks.
BLOCK = 1024
SINGLE, DOUBLE = 4, 8


def fisher_length(components: int) -> int:
    """Return the length of a Fisher vector: two values for each of a trajectory's, by Gaussian."""
    return 2 * REDUCED * components


def read_in_blocks(clips: int) -> bool:
    """Whether SVMs of so many clips are trained on blocks of them."""
    return clips > MOST_AT_ONCE


def svm_bytes(clips: int, classes: int, length: int) -> int:
    """Return the bytes that training SVMs takes, beside Python and its libraries.

    Args:
        clips: the number of training clips.
        classes: the number of SVMs.
        length: of a vector.
    """
    columns = min(COLUMNS, length)
    coefficients = DOUBLE * classes * clips
    if not read_in_blocks(clips):
        # Columns are read clip by clip, and then joined.
        read = 2 * SINGLE * clips * columns
        return PRODUCT * clips**2 + read + coefficients + SINGLE * classes * length
    block = min(BLOCK, clips)
    return (
        SINGLE * block * length
        + 2 * DOUBLE * block**2
        + coefficients
        # The weights, and their copy that is the result.
        + (DOUBLE + SINGLE) * classes * length
    )
