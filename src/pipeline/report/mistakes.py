"""What a result gets wrong, as lines of text: its worst classes, and those that it confuses."""

import numpy as np

from pipeline.report.layout import columns_of, fit, visible
from pipeline.report.text import interval

# Columns that the name of a class takes at most, alone in a line of 80 and beside another one.
LONGEST, LONGEST_OF_TWO = 34, 25


def mistake_lines(result: dict, most: int) -> list[str]:
    """The `most` classes with the lowest accuracy, and the pairs that are confused most.

    Both are those of the headline. Classes without a mistake, and without test clips, are no worst
    ones. There are no lines of what the result does not say.
    """
    return [*_class_lines(result, most), *_pair_lines(result, most)]


def _class_lines(result: dict, most: int) -> list[str]:
    headline, classes = result["headline"], result.get("per_class", {})
    tested = {name: entry for name, entry in classes.items() if entry["clips"]}
    wrong = {name: entry for name, entry in tested.items() if entry[headline] < 1}
    worst = sorted(wrong, key=lambda name: wrong[name][headline])[:most]
    if not worst:
        return []
    lines = [f"worst classes of {len(tested)}"]
    for name in worst:
        share, clips = wrong[name][headline], wrong[name]["clips"]
        right = f"{round(share * clips)} of {clips} clips"
        lines.append(f"  {fit(name, LONGEST)}  {right:>15}  {share:6.1%}  {interval(share, clips)}")
    return lines


def _pair_lines(result: dict, most: int) -> list[str]:
    matrix, classes = confusion(result)
    pairs = confused_pairs(matrix)[:most]
    if not pairs:
        return []
    wrong = int(matrix.sum() - np.trace(matrix))
    names = {classes[label] for pair in pairs for label in pair}
    width = min(LONGEST_OF_TWO, max(columns_of(visible(name)) for name in names))
    lines = [f"most confused of {wrong} wrong clips"]
    for true, predicted in pairs:
        pair = f"{fit(classes[true], width)} taken for {fit(classes[predicted], width)}"
        count = f"{matrix[true, predicted]} of {matrix[true].sum()}"
        lines.append(f"  {pair} {count:>12}")
    return lines


def confusion(result: dict) -> tuple[np.ndarray, list[str]]:
    """Counts (classes, classes), true classes in rows, and the names of the classes.

    Nothing, (0, 0), where the result has no confusion matrix that can be read.
    """
    told = result.get("confusion")
    try:
        matrix, classes = np.array(told["matrix"], int), list(map(str, told["classes"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        matrix, classes = np.zeros(0, int), []
    if not classes or matrix.shape != (len(classes),) * 2 or matrix.min() < 0:
        return np.zeros((0, 0), int), []
    return matrix, classes


def confused_pairs(matrix: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (true class, predicted one) of which clips are confused, the most first."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [divmod(int(place), len(matrix)) for place in order]
