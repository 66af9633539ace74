"""Accuracies and confusion of (clips, classes) scores."""

import numpy as np

# The highest scores among which a class counts as found by 'top5_accuracy'. Of so few classes it
# always is.
TOP = 5


def accuracy(values: np.ndarray, labels: np.ndarray, top: int = 1) -> float:
    """The share of clips whose true class is among the `top` highest scores.

    Of equal scores the class with the smaller number ranks higher.
    """
    # By hand: of equal scores, sklearn's top_k_accuracy_score ranks the larger number higher.
    ranked = np.argsort(-values, axis=1, kind="stable")[:, :top]  # (clips, top)
    return float((ranked == labels[:, None]).any(axis=1).mean())


def per_class_accuracy(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The accuracy of each class (classes,); NaN for a class without test clips."""
    correct = np.argmax(values, axis=1) == labels  # (clips,)
    return np.array(
        [
            correct[labels == label].mean() if (labels == label).any() else np.nan
            for label in range(values.shape[1])
        ]
    )


def mean_class_accuracy(values: np.ndarray, labels: np.ndarray) -> float:
    """The mean accuracy over the classes that have test clips."""
    return float(np.nanmean(per_class_accuracy(values, labels)))


def confusion_matrix(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts of clips (classes, classes): true classes in rows, predicted ones in columns."""
    matrix = np.zeros((values.shape[1], values.shape[1]), int)
    np.add.at(matrix, (labels, np.argmax(values, axis=1)), 1)
    return matrix


def summary(
    fused: dict[str, np.ndarray], labels: np.ndarray, classes: list[str], headline: str
) -> dict:
    """The numbers of a result, by source: `fused` holds the (clips, classes) scores of each.

    'accuracy' is over clips, 'mean_class_accuracy' over classes that have test clips, both in
    0 .. 1. 'top5_accuracy' is there for more than TOP classes. `headline` is the source whose
    confusion is given.
    """
    tops = {name: accuracy(values, labels, top=TOP) for name, values in fused.items()}
    return {
        "clips": len(labels),
        "classes": len(classes),
        "headline": headline,
        "accuracy": {name: accuracy(values, labels) for name, values in fused.items()},
        "mean_class_accuracy": {
            name: mean_class_accuracy(values, labels) for name, values in fused.items()
        },
        **({"top5_accuracy": tops} if len(classes) > TOP else {}),
        "per_class": _by_class(fused, labels, classes),
        "confusion": {
            "classes": classes,
            "rows": "true class",
            "columns": f"class predicted by {headline}",
            "matrix": confusion_matrix(fused[headline], labels).tolist(),
        },
    }


def _by_class(fused: dict[str, np.ndarray], labels: np.ndarray, classes: list[str]) -> dict:
    """For each class its count of test clips and its accuracy by source, None without clips."""
    shares = {source: per_class_accuracy(values, labels) for source, values in fused.items()}
    return {
        name: {
            "clips": int((labels == label).sum()),
            **{
                source: None if np.isnan(share[label]) else float(share[label])
                for source, share in shares.items()
            },
        }
        for label, name in enumerate(classes)
    }
