"""Tables with rows of every kind, and results that fill them."""

PLAN = {
    "splits": ["split1", "split2"],
    "seeds": [1, 2],
    "rows": [
        {
            "table": 1,
            "name": "Whole",
            "variant": "complete",
            "sources": ["appearance", "two_stream"],
            "paper": {"ucf101": {"appearance": 81.7}, "hmdb51": {"appearance": 55.5}},
        },
        {
            "table": 2,
            "name": "Fused",
            "variant": "complete",
            "sources": ["asyn"],
            "splits": "first",
        },
        {
            "table": 3,
            "name": "Mean",
            "variant": "complete",
            "sources": ["asyn"],
            "splits": "all",
            "paper": {"ucf101": {"asyn": 94.3}},
        },
        {
            "table": 3,
            "name": "With IDT",
            "variant": "complete",
            "sources": ["asyn_idt"],
            "splits": "all",
        },
    ],
}
CLASSES = ["Walk", "Run", "Jump", "Rest"]


def result(appearance: float, asyn: float, clips: int = 200) -> dict:
    return {
        "accuracy": {"appearance": appearance, "two_stream": appearance + 0.05, "asyn": asyn},
        "clips": clips,
        "per_class": {
            "Walk": {"clips": 30, "appearance": 0.5, "asyn": 0.9},
            "Run": {"clips": 10, "appearance": 0.1, "asyn": 0.7},
            "Jump": {"clips": clips - 40, "appearance": 1.0, "asyn": 0.0},
            "Rest": {"clips": 0, "appearance": None, "asyn": None},
        },
    }


RESULTS = {
    ("complete", "split1", 1): result(0.5, 0.7),
    ("complete", "split1", 2): result(0.6, 0.8),
    ("complete", "split2", 1): result(0.4, 0.9, 100),
    ("complete", "split2", 2): result(0.4, 0.6, 100),
}
