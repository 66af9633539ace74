"""What is tried behind fixed maps: which clips are held out, and one change at a time."""

import config_cases
import evidence_heads
import pytest

from pipeline.config.runs import Run, for_run


def test_a_film_is_learned_from_or_held_out(tmp_path, monkeypatch):
    """Of three classes with six films each, and one to three clips a film."""
    monkeypatch.chdir(tmp_path)
    clips = [
        (f"c{label}/film{film}_{clip}.avi", label, f"{label} {film}")
        for label in range(3)
        for film in range(6)
        for clip in range(1 + film % 3)
    ]
    groups = tmp_path / "results/evidence/data/jhmdb14/groups.tsv"
    groups.parent.mkdir(parents=True)
    groups.write_text("".join(f"{path}\t{film}\n" for path, _, film in clips))
    folds = evidence_heads.folds_by_film([{"path": path, "label": own} for path, own, _ in clips])
    assert len(folds) == evidence_heads.FOLDS
    for kept, held in folds:
        assert not {clips[number][2] for number in kept} & {clips[number][2] for number in held}
        assert {clips[number][1] for number in held} == {0, 1, 2}
    assert sorted(number for _, held in folds for number in held) == list(range(len(clips)))


@pytest.mark.parametrize("variant", evidence_heads.TRIES)
def test_networks_are_tried_alike_often_by_one_change_each(variant):
    config = config_cases.changed("co2fi.lr", 0.01)
    own = for_run(config, "demo", Run("split1", variant))
    recipe, usual = evidence_heads.changed(own, {})
    assert recipe == own and usual == pytest.approx(own["co2fi"]["lr"] * own["co2fi"]["head_lr"])
    assert len(evidence_heads.TRIES[variant]) == 6
    for change in evidence_heads.TRIES[variant]:
        ((key, value),) = change.items()
        settings, rate = evidence_heads.changed(own, change)
        assert rate == (value if key == "rate" else usual)
        network = own["network"]
        if key == "width":
            network = network | {"fc1": value, "fc2": value, "hidden": value}
        if key == "dropout":
            network = network | {"dropout": dict.fromkeys(network["dropout"], value)}
        assert settings == own | {"network": network}
