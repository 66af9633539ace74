"""The sets of empty files by which starts of Snakemake are measured."""

import scale


def lists_of(folder) -> dict[str, list[str]]:
    return {path.name: path.read_text().splitlines() for path in (folder / "lists").iterdir()}


def test_sets_are_ucf101_copies_of_it_and_many_clips(tmp_path, shared, monkeypatch):
    monkeypatch.setattr(scale, "COPIES", 2)
    monkeypatch.setattr(scale, "CLASSES", 3)
    monkeypatch.setattr(scale, "CLIPS_OF_CLASS", 20)
    official = tmp_path / "official"
    official.mkdir()
    (official / "classInd.txt").write_text("1 Archery\n2 YoYo\n")
    (official / "trainlist01.txt").write_text("Archery/v_Archery_g08_c01.avi 1\n")
    (official / "testlist01.txt").write_text("YoYo/v_YoYo_g01_c01.avi\n")
    bench = scale.Bench(tmp_path / "bench", scale.ROOT, 1)
    assert [bench.lay_out(name, official) for name in ("ucf101", "copies", "many")] == [2, 4, 60]
    copies = lists_of(tmp_path / "bench/copies")
    assert copies["classInd.txt"] == ["1 Archery_0", "2 YoYo_0", "102 Archery_1", "103 YoYo_1"]
    assert copies["trainlist01.txt"] == [f"Archery_{copy}/v_Archery_g08_c01.avi" for copy in (0, 1)]
    many = lists_of(tmp_path / "bench/many")
    # A tenth of the clips of each class is tested on.
    assert len(many["trainlist01.txt"]) == 54 and len(many["testlist01.txt"]) == 6
    files = [
        line.split()[0] for name in ("trainlist01.txt", "testlist01.txt") for line in many[name]
    ]
    assert all((tmp_path / "bench/many/videos" / file).is_file() for file in files)


def test_a_command_is_measured_in_seconds_of_the_processor(tmp_path):
    bench = scale.Bench(tmp_path / "bench", scale.ROOT, 1)
    taken = bench._run([], "-c", "print(sum(range(3 * 10**6)))")
    assert taken.said.strip() == "4499998500000" and taken.status == 0
    assert 0 < taken.seconds < 30 and 3 < taken.megabytes < 200
