"""A result of two sources, as the file acc.json holds it."""

RESULT = {
    "set": "demo",
    "split": "split1",
    "clips": 64,
    "classes": 8,
    "headline": "asyn",
    "accuracy": {"motion": 0.5, "asyn": 0.8125},
    "mean_class_accuracy": {"motion": 0.25, "asyn": 0.75},
    "top5_accuracy": {"motion": 0.9, "asyn": 1.0},
}
