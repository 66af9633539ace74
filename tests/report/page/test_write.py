"""The page as a file: what it holds, that nothing in it acts, and that it is whole or not there."""

import json
import re
import subprocess
import sys
from functools import reduce
from operator import getitem
from random import Random

import numpy as np
import page_cases
import pytest

from pipeline.errors import MachineError, PipelineError
from pipeline.report.page import costs, write
from pipeline.report.page.found import find

# Changes of a result by each seed.
CHANGES = 10
SECTIONS = [
    *("result", "sources", "classes", "confusion", "clips", "peaks"),
    *("groups", "training", "weights", "tables", "cost", "provenance"),
]


def page(*paths) -> str:
    return write.page([find(path) for path in paths])


def absent(text: str) -> list[str]:
    return re.findall(r'<p class="absent">([^<]*)</p>', text)


def data_of(text: str) -> dict:
    """What the script reads."""
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )


def test_every_section_is_there_or_says_why_not(tmp_path):
    text = page(page_cases.few(tmp_path))
    for name in SECTIONS:
        assert f'id="{name}-0"' in text and f'href="#{name}-0"' in text
    assert absent(text) == [
        "The score files have no logits over time.",
        "The rankings of the teacher, groups.h5, are not beside this result.",
        "No histories of losses (*.history.jsonl) are beside this result.",
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"sources": ("appearance", "motion", *page_cases.DIRECTIONS)},
        {"sources": ("appearance", "motion"), "run": "split1/baseline"},
        {"sources": page_cases.DIRECTIONS, "run": "split1/syn/seed2"},
        {"sources": ("appearance", "motion"), "classes": ["Only"]},
        {"classes": page_cases.ODD},
        {"run": "an odd/name"},
    ],
    ids=["without IDT", "two streams", "directions", "one class", "odd classes", "odd run"],
)
def test_results_of_every_kind_have_a_page(tmp_path, more):
    text = page(page_cases.few(tmp_path, **more))
    assert text.count("<section") == len(SECTIONS)
    assert "do not say this" not in text and all(line.endswith(".") for line in absent(text))


def test_an_acc_json_alone_has_what_it_says_itself(tmp_path):
    path = page_cases.few(tmp_path / "whole")
    alone = tmp_path / "acc.json"
    alone.write_bytes(path.read_bytes())
    text = page(alone)
    told = data_of(text)["results"][0]
    assert told["clips"] is None and told["confusion"]["classes"] == ["Bow", "Jump", "Run"]
    assert "The scores of single clips are not beside this result" in " ".join(absent(text))


@pytest.mark.parametrize("part", ["per_class", "confusion", "fusion", "data", "provenance"])
@pytest.mark.parametrize("value", [None, 7, "x", [1], {}, {"stages": 3, "config": {"fusion": 1}}])
def test_parts_that_are_others_end_no_page(tmp_path, part, value):
    path = page_cases.few(tmp_path)
    result = json.loads(path.read_text())
    result[part] = value
    path.write_text(json.dumps(result))
    try:
        text = page(path)
    except PipelineError as error:
        # What no result has is refused as a whole.
        assert "not a result of this program" in str(error)
    else:
        assert "50.0 %" in text


# What a value of a result is not.
STRANGE = [None, -1, 1e308, float("nan"), 10**30, "x", "<b>", [], [[]], {}, {"a": {"b": []}}, True]


def nodes(value, path=()):
    """The paths of all values within one."""
    yield path
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in pairs:
        yield from nodes(inner, (*path, key))


@pytest.mark.parametrize("seed", range(4))
def test_any_value_may_be_another(tmp_path, seed):
    """Each changes one value of a result: there is a page, or a sentence that says it is none."""
    random = Random(seed)
    path = page_cases.few(tmp_path)
    whole = path.read_text()
    paths = [one for one in nodes(json.loads(whole)) if one]
    for _ in range(CHANGES):
        result = json.loads(whole)
        *outer, last = random.choice(paths)
        reduce(getitem, outer, result)[last] = random.choice(STRANGE)
        path.write_text(json.dumps(result))
        try:
            assert page(path).count("<section") == len(SECTIONS)
        except PipelineError as error:
            assert "not a result of this program" in str(error)


def test_names_cannot_act_and_read_as_they_are(tmp_path):
    text = page(page_cases.few(tmp_path, classes=page_cases.ODD))
    # The page's own two scripts, and no others.
    assert text.count("<script") == 2 == text.count("</script")
    assert "<img" not in text and "onerror=alert(2)&gt;" in text
    assert "49" not in absent(text) and "{{ 7 * 7 }}" in text
    assert data_of(text)["results"][0]["clips"]["classes"] == page_cases.ODD


def test_paths_and_headlines_cannot_act(tmp_path):
    folder = tmp_path / '"><script>alert(1)</script>'
    path = page_cases.few(folder)
    result = json.loads(path.read_text())
    for key in ("accuracy", "mean_class_accuracy"):
        result[key]['x" onload="alert(1)'] = 0.5
    for entry in result["per_class"].values():
        entry['x" onload="alert(1)'] = 0.5
    result["headline"] = 'x" onload="alert(1)'
    path.write_text(json.dumps(result))
    text = page(path, path)
    assert text.count("<script") == 2 and 'onload="' not in text


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched(tmp_path):
    text = page(page_cases.few(tmp_path))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith(
        "default-src 'none'"
    )
    assert "script-src 'sha256-" in policy.replace("&#39;", "'") and "unsafe-eval" not in policy
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text) and "url(" not in text


def test_several_results_are_compared_and_have_an_article_each(tmp_path):
    paths = [
        page_cases.few(tmp_path),
        page_cases.few(tmp_path, run="split1/baseline", sources=("appearance", "motion")),
    ]
    text = page(*paths)
    assert text.count("<article") == 2 and text.count("hidden") >= 1
    assert '<option value="1">own split1, baseline</option>' in text
    assert "Against complete" in text and len(data_of(text)["results"]) == 2


def test_results_of_one_name_are_told_apart_by_what_differs_in_their_paths(tmp_path):
    paths = [page_cases.few(tmp_path / name) for name in ("a", "b/c")]
    text = page(*paths, paths[0])
    for name in ("own split1 (a), no. 1", "own split1 (b/c)", "own split1 (a), no. 3"):
        assert f">{name}</option>" in text
    # They are no seeds or splits of one another.
    assert "Means over splits and seeds" not in text


@pytest.mark.parametrize("out", ["a file/page.html", "/proc/page.html"])
def test_where_no_file_can_be_is_said(tmp_path, out):
    (tmp_path / "a file").write_text("")
    with pytest.raises(PipelineError, match="page.html: it cannot be written"):
        write.write([page_cases.few(tmp_path / "run")], tmp_path / out)


def test_halves_of_characters_can_be_written(tmp_path):
    path = page_cases.few(tmp_path)
    result = json.loads(path.read_text())
    result["set"] = "half \ud800"
    path.write_text(json.dumps(result))
    write.write([path], tmp_path / "page.html")
    assert "half \\ud800" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
    out = tmp_path / "page.html"
    out.write_text("before")

    def broken(_):
        raise MachineError("the disk has failed")

    monkeypatch.setattr(costs, "costs", broken)
    with pytest.raises(MachineError):
        write.write([page_cases.few(tmp_path)], out)
    assert out.read_text() == "before" and not list(tmp_path.glob(".page*"))


def test_a_damaged_file_beside_a_result_is_said_in_its_section(tmp_path):
    path = page_cases.few(tmp_path)
    scores = path.parent / "motion" / "scores.h5"
    content = bytearray(scores.read_bytes())
    content[len(content) // 2] ^= 255
    scores.write_bytes(content)
    assert any("it is not as it was written" in line for line in absent(page(path)))


def test_numbers_read_as_people_write_them():
    assert write.percent(0.9366) == "93.7" and write.percent(None) == "–"
    assert write.signed(0.012) == "+1.2" and write.signed(-0.3) == "−30.0"
    assert write.signed(0.0001) == "0.0" and write.signed(None) == "–"
    assert [write.duration(s) for s in (4.2, 95, 7200)] == ["4.2 s", "1.6 min", "2.0 h"]
    assert write.p_value(0.0004) == "< 0.001" and write.p_value(0.05) == "0.050"
    assert write.colour_class("asyn_idt") == "c-asyn_idt"
    assert write.colour_class('A"><b>') == "c-a___b_"


def test_the_page_loads_no_torch():
    code = "import sys, pipeline.report.page.write; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_page_of_ucf101_is_small(tmp_path, shared):
    path = page_cases.published(tmp_path, shared)
    text = page(path)
    assert len(text.encode()) < 3_000_000
    told = data_of(text)["results"][0]
    assert len(told["clips"]["names"]) == 3783 and len(told["confusion"]["order"]) == 101
    # The published accuracies of these scores.
    assert "<td>86.8</td>" in text and "<td>88.4</td>" in text and "<td>83.6</td>" in text


def test_many_classes_and_long_names_keep_the_page_small(tmp_path):
    count = 400
    classes = [f"{number}_{'long' * 20}" for number in range(count)]
    scores = {name: np.eye(count)[::-1] for name in ("appearance", "motion")}
    path = page_cases.write_result(tmp_path, scores, np.arange(count), classes)
    assert len(page(path)) < 3_000_000
