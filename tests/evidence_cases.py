"""Files of invented parts: two folds, the first with two seeds, of which all numbers are known."""

from pathlib import Path

from evidence_parts import part_path, write_part

CLASSES = ["Eat", "Fall", "Run"]
LABELS = {"split1": [0, 1, 2, 0], "split2": [1, 2]}
# Which clips are right, by fold and seed and then by variant and source.
RIGHT = {
    ("split1", 1): {
        "baseline": {"two_stream": [1, 0, 0, 1]},
        "complete": {"two_stream": [1, 1, 0, 1], "asyn": [1, 1, 1, 0]},
    },
    ("split1", 2): {
        "baseline": {"two_stream": [1, 0, 0, 0]},
        "complete": {"two_stream": [1, 1, 0, 1], "asyn": [1, 1, 0, 1]},
    },
    ("split2", 1): {
        "baseline": {"two_stream": [0, 1]},
        "complete": {"two_stream": [1, 0], "asyn": [1, 1]},
    },
}
PEAKS = {
    "split1": {"appearance": [0, 4, 8, 2], "motion": [0, 0, 0, 2]},
    "split2": {"appearance": [0, 0], "motion": [4, 2]},
}
# Training positions, and those with the truth first, among three, among five.
TEACHER = {"split1": [10, 5, 8, 10], "split2": [10, 1, 2, 4]}
SETTINGS = {
    "network": {"kind": "co2fi", "backbone": "resnet18"},
    "crops": {"size": 112},
    "stack": 5,
    "granularities": [3, 2, 1],
    "period": {"count": 2, "instants": 5, "delta": 4},
    "teacher": {"iterations": 300, "fraction": 0.5},
    "co2fi": {"iterations": 250},
    "asyn": {"iterations": 2000, "joint": False},
}


def part(split: str, seed: int) -> dict:
    """The content of one part's file."""
    labels, instants = LABELS[split], [0, 2, 4, 8]
    predicted = {
        variant: {
            source: [
                label if right else (label + 1) % 3
                for label, right in zip(labels, of_clips, strict=True)
            ]
            for source, of_clips in sources.items()
        }
        for variant, sources in RIGHT[split, seed].items()
    }
    curve = {"instants": instants, "appearance": [0, 1, 2, 1], "motion": [2, 1, 0, 0]}
    evidence = {"peaks": PEAKS[split], "instants": [instants] * len(labels), "curves": {}}
    evidence["curves"] = {f"{split}/0": curve}
    ranked = [[0, 1, 2], [1, 0, 2]]
    return {
        "set": "tiny",
        "split": split,
        "seed": seed,
        "date": "2026-11-25",
        "processor": "a processor",
        "cores": 2,
        "classes": CLASSES,
        "clips": [f"{split}/{number}" for number in range(len(labels))],
        "labels": labels,
        "predicted": predicted,
        "missing": {"tsn": "there is no result"},
        "teacher": {
            "appearance": {
                "tops": [1, 3, 5],
                "depth": 3,
                "by_class": {"Eat": TEACHER[split]},
                "examples": {"Eat": {"clip": "Eat/t", "ranked": ranked}},
            }
        },
        "evidence": {"complete": evidence},
        "settings": {
            variant: SETTINGS | {"network": SETTINGS["network"] | {"kind": kind}}
            for variant, kind in (("complete", "co2fi"), ("baseline", "baseline"))
        },
        "code": {"co2fi": ["c1"]},
        "seconds": {"co2fi": {"artifacts": 4, "seconds": 360.0 if seed == 1 else 180.0}},
    }


def write_all(folder: Path) -> None:
    """Write the files of all parts."""
    for split, seed in RIGHT:
        write_part(part_path(folder, "tiny", split, seed), part(split, seed))
