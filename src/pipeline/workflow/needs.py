"""What a run of a set takes by stage, on disk and in time, from what a few clips and a step took.

Arithmetic alone: `pipeline.workflow.trial` measures. `docs/store.md` and `docs/idt.md` have the
numbers of UCF101 that it is held against.
"""

from dataclasses import dataclass

from pipeline.config import kinds
from pipeline.idt.sizes import fisher_length
from pipeline.workflow.trial import Clips, Networks

# Bytes of a trajectory in a sample, 436 float32, and of a ranked class.
TRAJECTORY, RANKED = 1744, 2
# Bytes of a parameter: in the file of the network, and in a checkpoint beside its momentum.
PARAMETER = 12
FLOAT = 4
# Two streams, and two directions.
PAIR = 2
# Samples that a crop of ten makes of one.
CROPS = {"centre": 1, "ten": 10}


@dataclass(frozen=True)
class Need:
    """What a stage has yet to write, in bytes, and how many seconds it takes; None is unknown.

    from_run: whether the run's own jobs tell it, and not a trial.
    """

    stage: str
    to_write: float | None = None
    seconds: float | None = None
    from_run: bool = False


@dataclass(frozen=True)
class Size:
    """How much there is: clips and their frames, and clips that a split trains and tests on."""

    clips: int
    frames: float
    train: int
    test: int

    @property
    def length(self) -> float:
        """Frames of a clip, on average."""
        return self.frames / self.clips


@dataclass(frozen=True)
class Hands:
    """What works: cores, and GPUs that torch can use."""

    cores: int
    gpus: int = 0

    def beside(self, own: dict) -> int:
        """How many trainings of one stream or direction run at once, two at most."""
        processes = own["compute"]["processes"]
        each = own["compute"]["threads"] + own["compute"]["workers"]
        count = self.gpus // processes if self.gpus else self.cores // (processes * each)
        return min(max(count, 1), PAIR)


def of_clips(own: dict, size: Size, clips: Clips, hands: Hands, flow_on_gpu: bool) -> list[Need]:
    """Return the needs of the stages that read videos: index, frames, flow and trajectories."""
    fields = size.frames - size.clips
    decoding = clips.decoding * size.frames / hands.cores
    flow = (clips.pair + clips.decoding) * fields / hands.cores
    needs = [
        Need("index", 0.0, decoding),
        Need("frames", clips.frame_bytes * size.frames, decoding),
        Need("flow", clips.field_bytes * fields, None if flow_on_gpu else flow),
    ]
    if clips.trajectories is None:
        return needs
    idt = own["idt"]
    sampled = min(idt["window"] or size.length, size.length) * size.clips
    vector = fisher_length(idt["components"]) * FLOAT
    return [
        *needs,
        Need(
            "idt",
            size.clips * (idt["samples_per_clip"] * TRAJECTORY + vector),
            (size.frames + sampled) * clips.trajectories / hands.cores,
        ),
    ]


def of_networks(
    own: dict, size: Size, networks: Networks, hands: Hands, fuses: bool = True
) -> list[Need]:
    """Return the needs of the stages that train, rank and score, of a run of one split."""
    parts = PAIR / hands.beside(own)
    trained = size.frames * size.train / size.clips
    instants, joint = own["period"]["instants"], own["asyn"]["joint"]

    def training(section: str, step: float) -> float:
        return own[section]["iterations"] * own[section]["batch"] * step * parts

    stream, needs = networks.parameters, []
    if kinds.has_teacher(own):
        needs.append(
            Need(
                "teacher",
                PAIR * networks.teacher_parameters * PARAMETER,
                training("teacher", networks.teacher_step),
            )
        )
    if kinds.has_groups(own):
        positions = trained / own["groups"]["stride"]
        needs.append(
            Need(
                "groups",
                PAIR * positions * max(own["granularities"]) * RANKED,
                positions * networks.teacher_forward * parts,
            )
        )
    needs.append(
        Need(
            "co2fi",
            PAIR * stream * PARAMETER,
            training("co2fi", networks.step * own["co2fi"]["segments"]),
        )
    )
    if fuses:
        if not joint:
            needs.append(
                Need(
                    "features",
                    PAIR * trained * networks.features * FLOAT,
                    trained * networks.forward * parts,
                )
            )
        # A sample of a direction is one instant of one stream, and several of the other.
        step = networks.fusion + (networks.step * (1 + instants) if joint else 0)
        both = PAIR * stream + networks.fusion_parameters
        needs.append(Need("asyn", PAIR * both * PARAMETER, training("asyn", step)))
    return [*needs, Need("scores", 0.0, _scoring(own, size, networks, fuses))]


def _scoring(own: dict, size: Size, networks: Networks, fuses: bool) -> float:
    """Seconds in which the test clips are scored: one job, all sources one after the other."""
    period, snippets = own["period"], own["scores"]["snippets"]
    instants = snippets or period["count"] * period["instants"]
    of_directions = period["count"] * (1 + period["instants"]) if fuses else 0
    each = PAIR * (instants + of_directions) * CROPS[own["scores"]["crops"]]
    return size.test * each * networks.forward


def merge(needs: list[Need], stages: list) -> list[Need]:
    """Return needs in which the `stages.Stage`s of a run, where begun, tell what they know."""
    known = {stage.name: stage for stage in stages}
    merged = []
    for need in needs:
        stage = known.get(need.stage)
        if stage is None or not stage.fraction:
            merged.append(need)
            continue
        left, seconds = stage.to_come, stage.seconds_left
        rest = 1 - stage.fraction
        merged.append(
            Need(
                need.stage,
                left if left is not None else _part(need.to_write, rest),
                seconds if seconds is not None else _part(need.seconds, rest),
                left is not None,
            )
        )
    return merged


def _part(whole: float | None, part: float) -> float | None:
    return None if whole is None else whole * part
