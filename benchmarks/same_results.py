"""Whether two results folders hold the same: what a change of the code must not change.

    python benchmarks/same_results.py BEFORE/results/demo AFTER/results/demo

Networks and their histories are compared byte by byte, HDF5 files by their arrays as they are
stored, acc.json and tables.json by their numbers: all but the provenance. Attributes of HDF5 files
and records hold ids of code and times, and may differ. Prints a table; ends with 1 when anything
differs.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import h5py

from pipeline.storage.codecs import CHECKED, CHECKSUM


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a results folder")
    parser.add_argument("after", type=Path, help="another one of the same set")
    options = parser.parse_args()
    equal, different = Counter(), []
    for path in artifacts(options.before) | artifacts(options.after):
        before, after = options.before / path, options.after / path
        if before.is_file() and after.is_file() and CONTENT[path.suffix](before, after):
            equal[path.suffix] += 1
        else:
            different.append(path)
    print(f"{'files':10} {'equal':>6} {'different':>10}")
    for suffix in CONTENT:
        count = sum(path.suffix == suffix for path in different)
        print(f"{suffix:10} {equal[suffix]:6} {count:10}")
    for path in sorted(different):
        print(f"differs or is missing: {path}")
    sys.exit(bool(different) or not equal)


def artifacts(folder: Path) -> set[Path]:
    """Paths inside a results folder of what is compared; hidden folders hold what programs keep."""
    paths = {path.relative_to(folder) for path in folder.rglob("*") if path.suffix in CONTENT}
    paths = {path for path in paths if not any(part.startswith(".") for part in path.parts)}
    return {path for path in paths if path.suffix != ".json" or path.name in RESULTS}


def same_bytes(before: Path, after: Path) -> bool:
    return before.read_bytes() == after.read_bytes()


def same_arrays(before: Path, after: Path) -> bool:
    """Whether two HDF5 files hold the same datasets, chunk by chunk as they lie in the file."""
    with h5py.File(before) as one, h5py.File(after) as other:
        datasets = [dataset_names(one), dataset_names(other)]
        return datasets[0] == datasets[1] and all(
            same_dataset(one[name], other[name]) for name in datasets[0]
        )


def dataset_names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, node: isinstance(node, h5py.Dataset) and names.append(name))
    return sorted(names)


def same_dataset(one: h5py.Dataset, other: h5py.Dataset) -> bool:
    if (one.shape, one.dtype, one.chunks) != (other.shape, other.dtype, other.chunks):
        return False
    if one.chunks is None:
        return one[...].tolist() == other[...].tolist()
    return all(
        chunk_content(one, offset) == chunk_content(other, offset)
        for offset in (
            one.id.get_chunk_info(n).chunk_offset for n in range(one.id.get_num_chunks())
        )
    )


def chunk_content(data: h5py.Dataset, offset: tuple[int, ...]) -> bytes:
    """A chunk without the checksum that versions since 0.2.0 put behind it."""
    content, properties = data.id.read_direct_chunk(offset)[1], data.id.get_create_plist()
    filters = [properties.get_filter(number) for number in range(properties.get_nfilters())]
    has_checksum = any(options[-1:] == (CHECKED,) for _, _, options, _ in filters)
    return content[: -CHECKSUM.size] if has_checksum else content


def same_numbers(before: Path, after: Path) -> bool:
    results = [json.loads(path.read_text()) for path in (before, after)]
    for result in results:
        result.pop("provenance")
    return results[0] == results[1]


RESULTS = ("acc.json", "tables.json")
# What is compared, by the ending of its name.
CONTENT = {".pt": same_bytes, ".jsonl": same_bytes, ".h5": same_arrays, ".json": same_numbers}


if __name__ == "__main__":
    main()
