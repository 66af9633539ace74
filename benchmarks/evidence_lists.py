"""The split lists of the evidence on jhmdb14, with a split for choosing schedules.

    python benchmarks/evidence_lists.py ../shared/data

results/evidence/data becomes a link to the data, results/evidence/lists/jhmdb14 holds the lists of
the three folds, and of split4: a quarter of the training clips of fold 1, whole source films, is
its test set. No clip that a fold of 1 tests on is seen there.
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.files import replacing

FOLDER = Path("results/evidence")
# A link to the genuine clips.
DATA = FOLDER / "data"
TUNED, TUNING = 1, 4
# The share of the clips of each class that are held out, and the seed by which films are drawn.
HELD_OUT, SEED = 0.25, 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    write_lists(parser.parse_args().data)


def write_lists(data: Path) -> None:
    """Write the lists, and link to the folder `data`; the same again changes nothing."""
    lists = FOLDER / "lists/jhmdb14"
    lists.mkdir(parents=True, exist_ok=True)
    if not DATA.is_symlink() or DATA.resolve() != data.resolve():
        DATA.unlink(missing_ok=True)
        DATA.symlink_to(data.resolve())
    for path in sorted((data / "jhmdb14/splits").glob("*.txt")):
        _write(lists / path.name, path.read_text())
    lines = (lists / f"trainlist{TUNED:02}.txt").read_text().splitlines()
    film = dict(line.split("\t") for line in (data / "jhmdb14/groups.tsv").read_text().splitlines())
    held_out = draw_films({line.split()[0]: film[line.split()[0]] for line in lines if line})
    for subset, wanted in (("train", False), ("test", True)):
        chosen = [line for line in lines if (film[line.split()[0]] in held_out) == wanted]
        _write(lists / f"{subset}list{TUNING:02}.txt", "\n".join(chosen) + "\n")


def draw_films(film_of_clip: dict[str, str]) -> set[str]:
    """Films with HELD_OUT of the clips of each class, or somewhat more; clips are `class/file`.

    A film with clips of many classes may fill several. Films that hold most of a class stay in
    training.
    """
    rng = np.random.default_rng(SEED)
    films = rng.permutation(sorted(set(film_of_clip.values()))).tolist()
    classes = sorted({clip.split("/")[0] for clip in film_of_clip})

    def count(class_name: str, chosen: set[str]) -> int:
        return sum(
            clip.startswith(f"{class_name}/") and film in chosen
            for clip, film in film_of_clip.items()
        )

    total = {name: count(name, set(films)) for name in classes}
    held_out: set[str] = set()
    for name in classes:
        for film in films:
            if count(name, held_out) >= HELD_OUT * total[name]:
                break
            more = held_out | {film}
            if count(name, {film}) and all(
                count(other, more) <= 2 * HELD_OUT * total[other] for other in classes
            ):
                held_out = more
    return held_out


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        with replacing(path) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
