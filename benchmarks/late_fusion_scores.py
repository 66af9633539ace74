"""Scores of small sources on real clips, for benchmarks/late_fusion.py.

    python benchmarks/late_fusion_scores.py ../shared/data FOLDER

Each clip is decoded once: FOLDER/clips then holds its improved dense trajectories and what small
networks read of it. FOLDER/scores holds, for each split, decision values of trajectories, on test
clips and out of fold on training clips, and logits of the networks on test clips. The networks
stand in for those of the paper: four convolutions from random weights, and for each direction a
small network on their features at one instant and five.
What is there already is not made again. Some 40 minutes on a core.
"""

import argparse
import os
from itertools import pairwise
from pathlib import Path

# These must be set before numpy is imported.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import cv2
import numpy as np
import torch
from sklearn.svm import SVC
from torch import nn

from pipeline.files import replacing
from pipeline.idt import fisher
from pipeline.idt.extract import trajectories
from pipeline.idt.sample import clip_rng, draw_sample
from pipeline.video.decode import decode

# The short side to which frames are scaled down, and the longest part of a clip that is read, from
# its middle: easy clips need no more.
READING = {"weizmann": (144, 200), "jhmdb14": (240, 200), "ucf101_6class": (120, 60)}
# Trajectories kept of a clip.
KEPT = 3000
# (height, width) of what the networks read, and the size at which flow is computed.
SMALL, FLOW = (48, 64), (96, 128)
# Pixels of SMALL that fill a byte.
BOUND = 5.0
SPLITS = (1, 2, 3)
# Trajectories that a codebook is learned from, its Gaussians, C of the classifiers, group folds.
SAMPLES, COMPONENTS, PENALTY, FOLDS = 15000, 64, 100.0, 3
# Iterations of the networks and of the directions, samples of a batch, test instants, fields of a
# stack, the side of a crop less than the frame's.
ITERATIONS, FUSION_ITERATIONS, BATCH, INSTANTS, STACK, MARGIN = 400, 250, 32, 12, 5, 8
STREAMS = {"appearance": 3, "motion": 2 * STACK}


def clip_files(data: Path, name: str) -> list[str]:
    """The clips of all splits of a set, `<class>/<file>`."""
    lists = sorted((data / name / "splits").glob("*list*.txt"))
    return sorted({line.split()[0] for file in lists for line in file.read_text().splitlines()})


def clip_path(folder: Path, name: str, clip: str) -> Path:
    return folder / name / f"{clip}.npz"


def read_clip(path: Path, name: str) -> dict[str, np.ndarray]:
    """Trajectories (n, 436), frames (t, 48, 64, 3) and flow (t - 1, 48, 64, 2) of a clip."""
    side, longest = READING[name]
    frames = list(decode(path, side, True))
    first = max(0, (len(frames) - longest) // 2)
    frames = frames[first : first + longest]
    rng = clip_rng(1, path.name)
    kept = draw_sample(trajectories(iter(frames), len(frames)), KEPT, rng)
    grey = [cv2.cvtColor(cv2.resize(f, FLOW[::-1]), cv2.COLOR_RGB2GRAY) for f in frames]
    solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = [solver.calc(*pair, None) for pair in pairwise(grey)]
    # Half the size, and so half the pixels that a point moves by.
    flow = np.stack([cv2.resize(f, SMALL[::-1], interpolation=cv2.INTER_AREA) / 2 for f in flow])
    return {
        "trajectories": kept.astype(np.float16),
        "frames": np.stack(
            [cv2.resize(f, SMALL[::-1], interpolation=cv2.INTER_AREA) for f in frames]
        ),
        "flow": np.rint(np.clip(flow / BOUND, -1, 1) * 127 + 128).astype(np.uint8),
    }


def read_clips(data: Path, folder: Path, name: str) -> None:
    files = clip_files(data, name)
    for number, clip in enumerate(files, start=1):
        path = clip_path(folder, name, clip)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **read_clip(data / name / "videos" / clip, name))
            print(f"{name} {number} of {len(files)}: {clip}", flush=True)


class Network(nn.Module):
    def __init__(self, channels: int, classes: int):
        super().__init__()
        layers = []
        for width, stride in ((16, 2), (32, 2), (64, 2), (64, 1)):
            layers += [nn.Conv2d(channels, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.maps = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(), nn.Dropout(0.3)
        )
        self.fc = nn.Linear(256, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.fc(self.maps(inputs))


def fusion_network(classes: int) -> nn.Module:
    """The network of a direction, on the features of one instant and of five."""
    return nn.Sequential(
        nn.Linear(256 * 6, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, classes)
    )


def network_input(clip: dict, stream: str, instant: int) -> np.ndarray:
    """(channels, 48, 64) float32 of a frame, or of a stack that begins there."""
    if stream == "appearance":
        return clip["frames"][instant].transpose(2, 0, 1).astype(np.float32) / 128 - 1
    last = len(clip["flow"]) - 1
    fields = clip["flow"][np.minimum(np.arange(instant, instant + STACK), last)]
    return fields.transpose(0, 3, 1, 2).reshape(2 * STACK, *SMALL).astype(np.float32) / 16 - 8


def random_crop(planes: np.ndarray, stream: str, rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(MARGIN + 1), rng.integers(MARGIN + 1)
    planes = planes[:, top : top + SMALL[0] - MARGIN, left : left + SMALL[1] - MARGIN]
    if rng.random() < 0.5:
        planes = planes[:, :, ::-1].copy()
        if stream == "motion":
            planes[0::2] *= -1
    return planes


def centre_crop(planes: np.ndarray) -> np.ndarray:
    half = MARGIN // 2
    return planes[:, half:-half, half:-half]


def train(model: nn.Module, draw_batch, iterations: int) -> nn.Module:
    """Train by SGD on batches (inputs, labels) of `draw_batch`."""
    optimiser = torch.optim.SGD(
        model.parameters(), 0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.05, total_steps=iterations)
    model.train()
    for _ in range(iterations):
        inputs, labels = draw_batch()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def network_scores(
    clips: list[dict], labels: np.ndarray, training: int, classes: int, seed: int
) -> dict[str, np.ndarray]:
    """Logits (clips, INSTANTS, classes) by source of the clips after the first `training` ones."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    networks = {}
    for stream, channels in STREAMS.items():

        def draw(stream=stream):
            chosen = rng.integers(training, size=BATCH)
            inputs = []
            for number in chosen:
                instant = rng.integers(len(clips[number]["flow"]))
                planes = network_input(clips[number], stream, instant)
                inputs.append(random_crop(planes, stream, rng))
            return torch.from_numpy(np.stack(inputs)), torch.from_numpy(labels[chosen])

        networks[stream] = train(Network(channels, classes), draw, ITERATIONS)
    # (clips, INSTANTS, 256) by stream
    features = {stream: stream_features(networks[stream], clips, stream) for stream in STREAMS}
    with torch.inference_mode():
        logits = {
            stream: networks[stream].fc(features[stream][training:]).numpy() for stream in STREAMS
        }
    for one, many in (STREAMS, reversed(STREAMS)):
        logits[f"{one}-to-{many}"] = direction_scores(
            features[one], features[many], labels, training, classes, rng
        )
    return logits


@torch.inference_mode()
def stream_features(network: Network, clips: list[dict], stream: str) -> torch.Tensor:
    features = []
    for clip in clips:
        instants = np.linspace(0, len(clip["flow"]) - 1, INSTANTS).round().astype(int)
        inputs = [centre_crop(network_input(clip, stream, instant)) for instant in instants]
        features.append(network.maps(torch.from_numpy(np.stack(inputs))))
    return torch.stack(features)


def direction_scores(
    one: torch.Tensor,
    many: torch.Tensor,
    labels: np.ndarray,
    training: int,
    classes: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Logits (test clips, INSTANTS, classes) of a direction, from (clips, INSTANTS, 256) each."""
    around = np.clip(np.arange(INSTANTS)[:, None] + np.arange(-2, 3), 0, INSTANTS - 1)
    # (clips, INSTANTS, 6 x 256)
    inputs = torch.cat([one, many[:, around].flatten(2)], dim=2).clone()

    def draw():
        chosen = rng.integers(training, size=BATCH)
        instants = rng.integers(INSTANTS, size=BATCH)
        return inputs[chosen, instants], torch.from_numpy(labels[chosen])

    model = train(fusion_network(classes), draw, FUSION_ITERATIONS)
    with torch.inference_mode():
        return model(inputs[training:]).numpy()


def trajectory_scores(
    clips: list[dict], labels: np.ndarray, training: int, classes: int, folds: np.ndarray
) -> dict[str, np.ndarray]:
    """Decision values of test clips, and of training clips by the classifiers of other folds."""
    rows = np.concatenate([clip["trajectories"] for clip in clips[:training]]).astype(np.float32)
    rows = rows[np.sort(np.random.default_rng(1).permutation(len(rows))[:SAMPLES])]
    codebooks = {
        name: fisher.learn(rows[:, columns], COMPONENTS, 1)
        for name, columns in fisher.DESCRIPTORS.items()
    }
    vectors = np.stack(
        [fisher.encode([clip["trajectories"].astype(np.float32)], codebooks) for clip in clips]
    ).astype(float)
    products = vectors @ vectors.T
    learned, tested = np.arange(training), np.arange(training, len(clips))
    held_out = np.empty((training, classes), np.float32)
    for fold in range(FOLDS):
        own = learned[folds == fold]
        held_out[own] = decision_values(products, labels, learned[folds != fold], own, classes)
    return {
        "idt": decision_values(products, labels, learned, tested, classes),
        "idt_oof": held_out,
    }


def decision_values(
    products: np.ndarray, labels: np.ndarray, learned: np.ndarray, tested: np.ndarray, classes: int
) -> np.ndarray:
    """(tested, classes) of one-versus-rest SVMs; a class with no clip to learn from has -1."""
    values = np.full((len(tested), classes), -1, np.float32)
    for label in set(labels[learned]):
        svm = SVC(kernel="precomputed", C=PENALTY)
        svm.fit(products[np.ix_(learned, learned)], labels[learned] == label)
        values[:, label] = svm.decision_function(products[np.ix_(tested, learned)])
    return values


def group_folds(groups: list[str]) -> np.ndarray:
    """The fold of each clip: groups stay whole, the largest first into the emptiest fold."""
    names, counts = np.unique(groups, return_counts=True)
    filled, fold_of = np.zeros(FOLDS), {}
    for number in np.argsort(-counts, kind="stable"):
        fold = int(filled.argmin())
        fold_of[names[number]] = fold
        filled[fold] += counts[number]
    return np.array([fold_of[group] for group in groups])


def group_names(data: Path, name: str, files: list[str]) -> list[str]:
    """The film, the actor or the scene of each clip."""
    if name == "jhmdb14":
        lines = (data / name / "groups.tsv").read_text().splitlines()
        films = dict(line.split("\t") for line in lines if "\t" in line)
        return [films[file] for file in files]
    part = 0 if name == "weizmann" else -2
    return [Path(file).name.split("_")[part] for file in files]


def score_split(data: Path, folder: Path, name: str, split: int) -> None:
    lists = data / name / "splits"
    known = set(clip_files(data, name))
    train_files, test_files = (
        [
            line.split()[0]
            for line in (lists / f"{subset}list{split:02d}.txt").read_text().splitlines()
            if line.split()[0] in known
        ]
        for subset in ("train", "test")
    )
    classes = [line.split()[1] for line in (lists / "classInd.txt").read_text().splitlines()]
    files, training = [*train_files, *test_files], len(train_files)
    labels = np.array([classes.index(file.split("/")[0]) for file in files])
    about = {"train_labels": labels[:training], "test_labels": labels[training:]}
    makers = {
        "idt": lambda clips: trajectory_scores(
            clips, labels, training, len(classes), group_folds(group_names(data, name, train_files))
        ),
        "net": lambda clips: network_scores(clips, labels, training, len(classes), split),
    }
    (folder / "scores").mkdir(exist_ok=True)
    for part, make in makers.items():
        path = folder / "scores" / f"{name}_{split}_{part}.npz"
        if not path.is_file():
            clips = [dict(np.load(clip_path(folder / "clips", name, file))) for file in files]
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **about, **make(clips))
            print(f"scores: {path.name}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of real test material")
    parser.add_argument("folder", type=Path, help="where clips and scores are kept")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    for name in READING:
        read_clips(options.data, options.folder / "clips", name)
        for split in SPLITS:
            score_split(options.data, options.folder, name, split)


if __name__ == "__main__":
    main()
