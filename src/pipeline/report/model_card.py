"""The model card of a trained run: what it is, its numbers, and how it is used."""

from pipeline.data.crops import CROP_COUNTS
from pipeline.evaluation.intervals import wilson
from pipeline.inference.trained import Trained
from pipeline.report.layout import count_text, visible
from pipeline.report.text import NAMES

CARD = """\
# {name}: a two-stream action classifier

Networks of both streams and their fusion by *Action Recognition with Coarse-to-Fine Deep Feature
Integration and Asynchronous Fusion* (Lin, Mi, Wu, Lu, Xiong, AAAI 2018), trained by an open
implementation. It takes a video and says which of {classes} it shows; of a video that shows none
of them it says one all the same.

    pipeline predict THIS_FILE clip.avi

## Numbers

On the {clips} of {split} of {set} that it was not trained on, with 95 % intervals (Wilson):

| | accuracy | interval | mean over classes |
|---|---|---|---|
{rows}

The result that counts is: {headline}. It is trained on {training}.

## Settings

- network: {kind} on {backbone}, inputs of {size} x {size} pixels, stacks of {stack} flow fields
- scores: at {periods} instants of a clip in {crops}, averaged as {space}
- fusion: rule `{rule}`, weights {weights}
- flow: TV-L1, bound {bound} pixels

All others are in `run.json`. The weights are files of safetensors, and nothing here is a pickle.

## Classes

{names}

## Limits

Accuracy holds for clips like those of {set}. People, places and cameras that it has not seen may
lower it, and so may videos that are longer than its clips.
"""


def model_card(trained: Trained) -> str:
    """The card of a run as Markdown."""
    result, settings = trained.result, trained.settings
    period, snippets = settings["period"], settings["scores"]["snippets"]
    rows = []
    for source, share in result["accuracy"].items():
        low, high = wilson(share, result["clips"])
        rows.append(
            f"| {NAMES.get(source, source)} | {share:.1%} | {low:.1%} to {high:.1%} | "
            f"{result['mean_class_accuracy'][source]:.1%} |"
        )
    training = len(trained.training)
    return CARD.format(
        name=visible(trained.name),
        classes=count_text(len(trained.classes), "class"),
        clips=count_text(result["clips"], "test clip"),
        set=visible(result["set"]),
        split=visible(result["split"]),
        rows="\n".join(rows),
        headline=NAMES.get(result["headline"], result["headline"]),
        training=count_text(training, "clip") if training else "clips that are not recorded",
        kind=settings["network"]["kind"],
        backbone=settings["network"]["backbone"],
        size=settings["crops"]["size"],
        stack=settings["stack"],
        periods=snippets or period["count"] * period["instants"],
        crops=count_text(CROP_COUNTS[settings["scores"]["crops"]], "crop"),
        space="probabilities" if settings["scores"]["space"] == "softmax" else "logits",
        rule=trained.fusion["rule"],
        weights=", ".join(f"{name} {value}" for name, value in trained.fusion["weights"].items()),
        bound=settings["flow"]["bound"],
        names="\n".join(
            f"{number}. {visible(name)}" for number, name in enumerate(trained.classes, 1)
        ),
    )
