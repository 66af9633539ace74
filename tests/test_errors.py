"""Messages of errors: how many problems they tell, and the file that has the others."""

import pickle

import pytest

from pipeline.errors import PipelineError, listed, listed_in, require


def raised(problems, details=(), path=None) -> PipelineError:
    """The error of these problems, as it leaves a block that lists them in `path`."""
    with pytest.raises(PipelineError) as caught:
        if path is None:
            require(problems, details)
        else:
            with listed_in(path):
                require(problems, details)
    return caught.value


def test_listed_names():
    assert listed(["a", "b", "c"]) == "a, b, c" and listed([]) == ""
    assert listed([str(n) for n in range(1005)]) == "0, 1, 2, 3, 4 and 1,000 more"


def test_ten_problems_are_all_told(tmp_path):
    problems = [f"clip {number} is broken" for number in range(10)]
    error = raised(problems, path=tmp_path / "problems.txt")
    assert str(error).splitlines() == problems and not list(tmp_path.iterdir())


def test_a_flood_ends_in_a_file(tmp_path):
    problems = [f"clip {number} is broken" for number in range(1000)]
    path = tmp_path / "results" / "problems.txt"
    lines = str(raised(problems, path=path)).splitlines()
    assert lines == [
        *problems[:5],
        "995 more problems like these",
        f"all of them are listed in {path}",
    ]
    assert path.read_text().splitlines() == problems
    assert [file.name for file in path.parent.iterdir()] == ["problems.txt"]


def test_details_go_to_the_file_with_the_problems(tmp_path):
    path, missing = tmp_path / "problems.txt", [f"Run/\udce9{number}.avi" for number in range(7)]
    lines = str(raised([f"missing: {listed(missing)}"], missing, path)).splitlines()
    assert len(lines) == 2 and "and 2 more" in lines[0] and lines[1].endswith(str(path))
    assert path.read_bytes().splitlines()[1] == b"Run/\xe90.avi"
    assert len(path.read_bytes().splitlines()) == 8


def test_the_message_stays_where_no_file_can_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    problems = [str(number) for number in range(20)]
    error = raised(problems, path=tmp_path / "file" / "problems.txt")
    assert str(error).splitlines() == [*problems[:5], "15 more problems like these"]


def test_the_file_goes_when_all_is_well_again(tmp_path):
    path = tmp_path / "problems.txt"
    raised([str(number) for number in range(20)], path=path)
    with listed_in(path):
        require([])
    assert not path.exists()


def test_names_that_a_message_shortens():
    few, many = ["a", "b"], [str(number) for number in range(9)]
    assert PipelineError.of_names("2 clips", few).whole == []
    assert PipelineError.of_names("9 clips", many).whole == many
    assert raised(["one", "two"]).problems == ["one", "two"]
    assert raised(many * 2).problems == many * 2


def test_an_error_survives_its_way_between_processes():
    error = pickle.loads(pickle.dumps(PipelineError("what", ["all"])))
    assert str(error) == "what" and error.whole == ["all"]
