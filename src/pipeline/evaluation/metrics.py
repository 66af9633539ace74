"""Accuracies and confusion of (clips, classes) scores."""

import numpy as np


def accuracy(values: np.ndarray, labels: np.ndarray, top: int = 1) -> float:
    """Share of clips whose true class is among the `top` highest scores; equal scores count by class number."""
    ranked = np.argsort(-values, axis=1, kind="stable")[:, :top]
    return float((ranked == labels[:, None]).any(axis=1).mean())


def per_class(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(classes,) accuracy of each class; NaN for one without test clips."""
    right = np.argmax(values, axis=1) == labels
    return np.array(
        [
            right[labels == number].mean() if (labels == number).any() else np.nan
            for number in range(values.shape[1])
        ]
    )


def confusion(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(true class, predicted class) counts of clips."""
    matrix = np.zeros((values.shape[1], values.shape[1]), int)
    np.add.at(matrix, (labels, np.argmax(values, axis=1)), 1)
    return matrix


def summary(
    fused: dict[str, np.ndarray], labels: np.ndarray, classes: list[str], headline: str
) -> dict:
    """The numbers of a result, by source: `fused` holds (clips, classes) scores each. `headline` is the source that counts.

    'accuracy' is over clips, 'mean_class_accuracy' the mean over classes that have test clips, both in 0 .. 1.
    """
    best = fused[headline]
    return {
        "clips": len(labels),
        "classes": len(classes),
        "headline": headline,
        "accuracy": {name: accuracy(values, labels) for name, values in fused.items()},
        "mean_class_accuracy": {
            name: float(np.nanmean(per_class(values, labels))) for name, values in fused.items()
        },
        "top5_accuracy": {name: accuracy(values, labels, top=5) for name, values in fused.items()},
        "per_class": {
            name: {
                "clips": int((labels == number).sum()),
                **{
                    source: None
                    if np.isnan(share := per_class(values, labels)[number])
                    else float(share)
                    for source, values in fused.items()
                },
            }
            for number, name in enumerate(classes)
        },
        "confusion": {
            "classes": classes,
            "rows": "true class",
            "columns": f"class predicted by {headline}",
            "matrix": confusion(best, labels).tolist(),
        },
    }
