"""The first ten minutes on a GPU: bits against the CPU, then flow, training, the loader and memory.

    python benchmarks/first_gpu.py                     # on a GPU
    python benchmarks/first_gpu.py --clips FOLDER      # flow of these videos is compared, too
    python benchmarks/first_gpu.py --dry --out FOLDER  # each part at tiny sizes on a CPU

It runs from a checkout, installed or not, without Snakemake: it takes torch with Triton, numba,
h5py, OpenCV, scipy, PyYAML and a C compiler; with imagecodecs, tqdm and ffmpeg-python the job of
flow is measured, too, on the videos of --clips. A part that fails is reported, and the others go
on. Ends with a table, and writes first_gpu_<GPU>.json to --out, by default benchmarks/results. Its
status is 1 where a part failed or bits differ.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

NEEDED = ("torch", "triton", "numba", "h5py", "cv2", "scipy", "yaml")
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    _prepare()
    # What it imports may be missing, which has just been told.
    import first_gpu_parts

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(first_gpu_parts.PARTS)
    parser.add_argument("--clips", type=Path, help="folder of videos whose flow is compared, too")
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    parser.add_argument("--seconds", type=float, default=4, help="that each rate is measured for")
    parser.add_argument("--dry", action="store_true", help="tiny sizes, on a CPU")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    sys.exit(not first_gpu_parts.measure(options))


def _prepare() -> None:
    """End the program where it lacks packages; find this checkout's, and do without imagecodecs."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        sys.exit(f"error: {', '.join(missing)}: not installed here; install them, and try again")
    sys.path.insert(0, str(ROOT / "src"))
    if find_spec("imagecodecs") is None:
        # Stores of lz4 and jpeg alone want it: gzip is HDF5's own.
        stand_in = ModuleType("imagecodecs")
        stand_in.DEFLATE = SimpleNamespace(available=False)
        sys.modules["imagecodecs"] = stand_in


if __name__ == "__main__":
    main()
