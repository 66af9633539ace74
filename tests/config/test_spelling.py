"""Names and numbers that YAML reads as something else, keys that stand twice, and syntax."""

import pytest

from pipeline.config import spelling
from pipeline.errors import PipelineError


def refusal(function, *arguments) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        function(*arguments)
    return str(caught.value).split("\n")


@pytest.fixture
def write(tmp_path):
    """A function that writes a config file and returns its path."""

    def write(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "name",
    ["2024", "no", "on", "off", "yes", "2024-01-01", "007", "1.5", "0x10", "1_0", "12:30", "~"],
)
def test_names_of_sets_stay_as_they_are_spelt(write, name):
    config = spelling.read(write(f"sets:\n  {name}: {{shards: 1}}\n  other: {{}}\n"))
    assert list(config["sets"]) == [name, "other"] and config["sets"][name] == {"shards": 1}


def test_names_of_variants_and_of_quoted_keys(write):
    config = spelling.read(write('variants: {no: {}, "2024": {}, plain: {}}\n'))
    assert list(config["variants"]) == ["no", "2024", "plain"]


def test_one_name_spelt_in_two_ways_is_refused(write):
    first, second = write("sets: {no: {}}", "a.yaml"), write("sets: {off: {}}", "b.yaml")
    (line,) = refusal(spelling.restore, {"sets": {False: {}}}, [first, second])
    assert "no, off" in line and "quotes" in line


def test_names_without_a_file(write):
    config = {"sets": {2024: {}}}
    spelling.restore(config, [])
    assert config == {"sets": {"2024": {}}}
    (line,) = refusal(spelling.restore, {"sets": {False: {}}}, [])
    assert "quotes" in line
    (line,) = refusal(spelling.restore, {"sets": {2024: {}, "2024": {}}}, [])
    assert "'2024' stands twice" in line


def test_keys_that_stand_twice_are_refused(write):
    path = write("seed: 1\nflow:\n  tau: 0.1\n  tau: 0.2\nseed: 2\nasyn: {clip: 1, clip: 2}\n")
    lines = refusal(spelling.read, path)
    assert sorted(lines) == [
        f"{path}:4: 'tau' stands in line 3, too; remove one",
        f"{path}:5: 'seed' stands in line 1, too; remove one",
        f"{path}:6: 'clip' stands in line 6, too; remove one",
    ]


@pytest.mark.parametrize("number, read", [("010", "8"), ("00", "0"), ("1:30", "90"), ("-07", "-7")])
def test_numbers_that_mislead_are_refused(write, number, read):
    path = write(f"sets:\n  mine:\n    shards: {number}\n")
    (line,) = refusal(spelling.read, path)
    assert line.startswith(f"{path}:3: YAML reads {number} as {read};")


def test_numbers_that_do_not_mislead(write):
    text = "a: [1e-2, 1_000, 0x10, .5, 0, 0.5, -3, 1.0e+3, '010', 2024]\n"
    assert spelling.read(write(text))["a"][1:4] == [1000, 16, 0.5]


@pytest.mark.parametrize(
    "text, where",
    [
        ("sets:\n  mine: {format: ucf101\n  b: [\n", ":3: "),
        ("seed: 1\n\tx: 3\n", ":2: "),
        ("a: b: c\n", ":1: "),
        ("a: 'b\n", ":"),
        ("a: \x00b\n", ": not YAML"),
        ("- a\n", ": no keys"),
        ("", ": no keys"),
        ("a: \xe9".encode("latin-1"), ": not UTF-8"),
        ("a: 1".encode("utf-16"), ": not UTF-8"),
    ],
)
def test_what_is_no_config_is_one_sentence(write, text, where):
    path = write(text)
    (line,) = refusal(spelling.read, path)
    assert line.startswith(f"{path}{where}")


def test_a_mark_at_the_start_is_no_matter(write):
    assert spelling.read(write("seed: 1\n".encode("utf-8-sig"))) == {"seed": 1}


def test_a_config_that_is_no_file(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "none", tmp_path / "loop"):
        (line,) = refusal(spelling.read, path)
        assert line.startswith(f"{path}: ")


def test_structures_that_hold_themselves_end(write):
    path = write("a: &a [*a]\nb: &b {c: *b}\n")
    spelling.restore({}, [path])


def test_the_config_of_the_repository_is_without_such_problems():
    from config_cases import CONFIG

    from pipeline.config.shipped import SCHEMA

    assert spelling.read(SCHEMA.parents[2] / "config.yaml") == CONFIG
