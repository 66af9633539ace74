"""Where the flow of a clip lies and how its files are named, as readers of other programs want it.

| layout | folders | first number | fields of `--step s` |
|---|---|---|---|
| denseflow | as below a folder of videos | 0 | t to t + s for every t; names say `_p<s>` |
| tsn | none | 1 | t to t + s for t = 0, s, 2 s .. |
| mmaction | as below a folder of videos | 1 | t to t + s for every t |

They follow open-mmlab/denseflow (src/common.cpp), wanglimin/dense_flow with yjxiong's loader
(src/dense_flow_gpu.cpp, tsn-pytorch:dataset.py) and mmaction2's RawframeDataset.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

# What a clip becomes in each format: a folder of images or fields, or one file with an ending.
ENDINGS = {"h5": ".h5", "jpg": "", "png": "", "flo": "", "npy": ".npy"}


@dataclass(frozen=True)
class Layout:
    """first: number of the first field. flat: whether clips lie side by side in one folder.
    skips: whether frames between the steps are left out. names_step: whether names say the step.
    """

    first: int
    flat: bool = False
    skips: bool = False
    names_step: bool = False


LAYOUTS = {
    "denseflow": Layout(first=0, names_step=True),
    "tsn": Layout(first=1, flat=True, skips=True),
    "mmaction": Layout(first=1),
}


@dataclass(frozen=True)
class Settings:
    """What the files of an output folder depend on, beside the videos.

    bound: pixels to which displacements are clipped where they become bytes.
    step: frames between the two frames of a field.
    short_side: pixels to which larger frames are scaled down; 0 keeps them.
    backend: opencv, cpu or cuda.
    solver: its name and version.
    damaged: whether what decodes of a damaged video is used.
    """

    format: str
    layout: str
    bound: float
    step: int
    short_side: int
    backend: str
    solver: str
    damaged: bool

    @property
    def form(self) -> Layout:
        return LAYOUTS[self.layout]

    @property
    def _step_in_names(self) -> str:
        return f"_p{self.step}" if self.form.names_step and self.step > 1 else ""

    def target(self, folder: str, name: str) -> Path:
        """Where the flow of a clip lies below the output folder: a folder, or a file."""
        ending = ENDINGS[self.format]
        file = f"{name}{self._step_in_names}{ending}" if ending else name
        return Path("" if self.form.flat else folder, file)

    def field_name(self, kind: str, index: int) -> str:
        """The name of a field, without ending: `kind` is flow, flow_x or flow_y; index from 0."""
        return f"{kind}{self._step_in_names}_{index + self.form.first:05d}"

    def as_dict(self) -> dict:
        """The settings that another run must share, as JSON holds them.

        Whether damaged videos are used is none of them: it changes nothing about whole ones.
        """
        return {
            key: value for key, value in asdict(self).items() if key not in ("backend", "damaged")
        }
