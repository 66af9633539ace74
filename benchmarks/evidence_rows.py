"""The rows of the comparisons, what each is compared with, and the claims that are tried on them.

A prediction is named by a variant of the config and a source of its results, such as
("complete", "asyn"). Those with trajectories end with '_idt'.
"""

from dataclasses import dataclass

Prediction = tuple[str, str]

# Columns of the tables: their heads, and the prediction of the baseline that each is compared with.
COLUMNS = {
    "appearance": "appearance",
    "motion": "motion",
    "two_stream": "two-stream",
    "fused": "fused",
    "with_idt": "with IDT",
}
BASELINE = {
    "appearance": ("baseline", "appearance"),
    "motion": ("baseline", "motion"),
    "two_stream": ("baseline", "two_stream"),
    "fused": ("baseline", "two_stream"),
    "with_idt": ("baseline", "two_stream_idt"),
}
_STREAMS = {
    "appearance": "appearance",
    "motion": "motion",
    "two_stream": "two_stream",
    "with_idt": "two_stream_idt",
}
_FUSED = {"fused": "asyn", "with_idt": "asyn_idt"}
# Trajectories depend on no variant.
IDT = ("idt", "idt")
COMPLETE = "complete"


@dataclass(frozen=True)
class Row:
    """A row of the tables: its name, its variant, and the source that stands in each column.

    `{delta}` in a name is the number of frames between the instants that the variant fuses.
    """

    name: str
    variant: str
    sources: dict[str, str]


ROWS = [
    Row("Two-stream baseline", "baseline", _STREAMS),
    Row("Direct combine ConvNets", "direct", _STREAMS),
    Row("CO2FI, no class grouping", "no_grouping", _STREAMS),
    Row("CO2FI, two granularities", "two_granularities", _STREAMS),
    Row("CO2FI, no coarseness", "no_coarseness", _STREAMS),
    Row("CO2FI, complete", COMPLETE, _STREAMS),
    Row("Baseline+SYN", "baseline_syn", _FUSED),
    Row("Baseline+ASYN (D = {delta})", "baseline_asyn1", _FUSED),
    Row("Baseline+ASYN (D = {delta})", "baseline_asyn5", _FUSED),
    Row("CO2FI+SYN", "syn", _FUSED),
    Row("CO2FI+ASYN (D = {delta})", COMPLETE, _FUSED),
    Row("TSN", "tsn", _STREAMS),
    Row("IDT alone", "idt", {"with_idt": "idt"}),
]
# Other variants stand by themselves, on the parts that have them.
IN_TABLES = {row.variant for row in ROWS}


def rows_of(variants: list[str]) -> list[Row]:
    """All rows, then two for each further variant: its streams and its fusion."""
    further = [variant for variant in variants if variant not in IN_TABLES]
    return [
        *ROWS,
        *(Row(variant, variant, sources) for variant in further for sources in (_STREAMS, _FUSED)),
    ]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper: that `better` is right more often than `worse`.

    With `more` False the claim is that it is not.
    """

    text: str
    better: Prediction
    worse: Prediction
    more: bool = True


CLAIMS = [
    Claim("CO2FI beats the baseline", (COMPLETE, "two_stream"), ("baseline", "two_stream")),
    Claim("CO2FI beats a direct combination", (COMPLETE, "two_stream"), ("direct", "two_stream")),
    Claim("grouping helps", (COMPLETE, "two_stream"), ("no_grouping", "two_stream")),
    Claim(
        "three granularities beat two",
        (COMPLETE, "two_stream"),
        ("two_granularities", "two_stream"),
    ),
    Claim(
        "coarse groups beat no coarseness",
        (COMPLETE, "two_stream"),
        ("no_coarseness", "two_stream"),
    ),
    Claim(
        "SYN does not help the baseline",
        ("baseline_syn", "asyn"),
        ("baseline", "two_stream"),
        more=False,
    ),
    Claim("ASYN helps the baseline", ("baseline_asyn5", "asyn"), ("baseline", "two_stream")),
    Claim(
        "ASYN with the larger D beats the smaller",
        ("baseline_asyn5", "asyn"),
        ("baseline_asyn1", "asyn"),
    ),
    Claim("ASYN beats SYN on the baseline", ("baseline_asyn5", "asyn"), ("baseline_syn", "asyn")),
    Claim("ASYN helps CO2FI", (COMPLETE, "asyn"), (COMPLETE, "two_stream")),
    Claim("ASYN beats SYN on CO2FI", (COMPLETE, "asyn"), ("syn", "asyn")),
    Claim("IDT adds to CO2FI+ASYN", (COMPLETE, "asyn_idt"), (COMPLETE, "asyn")),
    Claim("CO2FI+ASYN+IDT beats IDT alone", (COMPLETE, "asyn_idt"), IDT),
]

# The whole method against its rivals, each without and with trajectories.
PAIRS = [
    ("CO2FI+ASYN", "baseline", (COMPLETE, "asyn"), ("baseline", "two_stream")),
    ("CO2FI+ASYN", "TSN", (COMPLETE, "asyn"), ("tsn", "two_stream")),
    ("CO2FI+ASYN", "IDT", (COMPLETE, "asyn"), IDT),
    ("CO2FI+ASYN+IDT", "baseline+IDT", (COMPLETE, "asyn_idt"), ("baseline", "two_stream_idt")),
    ("CO2FI+ASYN+IDT", "TSN+IDT", (COMPLETE, "asyn_idt"), ("tsn", "two_stream_idt")),
    ("CO2FI+ASYN+IDT", "IDT", (COMPLETE, "asyn_idt"), IDT),
]

# What asynchronous fusion is compared with on clips whose streams peak far apart: the variant
# whose streams they are, asynchronous fusion, and what it is compared with.
OFFSETS = [
    (
        "baseline",
        "Baseline+ASYN less the two streams",
        ("baseline_asyn5", "asyn"),
        ("baseline", "two_stream"),
    ),
    (
        "baseline",
        "Baseline+ASYN less Baseline+SYN",
        ("baseline_asyn5", "asyn"),
        ("baseline_syn", "asyn"),
    ),
    (COMPLETE, "CO2FI+ASYN less the two streams", (COMPLETE, "asyn"), (COMPLETE, "two_stream")),
    (COMPLETE, "CO2FI+ASYN less CO2FI+SYN", (COMPLETE, "asyn"), ("syn", "asyn")),
]
