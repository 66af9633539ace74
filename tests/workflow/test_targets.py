"""Targets that nothing makes, and the nearest of those that are made."""

import re
from types import SimpleNamespace

import pytest

from pipeline.errors import PipelineError
from pipeline.workflow import targets

RUN = "split[0-9]+(/[a-z][a-z0-9_]*)?(/seed[0-9]+)?"
CONSTRAINTS = {"set": "[A-Za-z0-9_]+", "split": "split[0-9]+", "run": RUN, "shard": "[0-9]{3,}"}


class Rule(SimpleNamespace):
    """A rule as Snakemake has it, as far as targets ask it."""

    def products(self) -> list[str]:
        return self.files

    def is_producer(self, target: str) -> bool:
        return any(re.fullmatch(expression(file), target) for file in self.files)


def expression(pattern: str) -> str:
    """The regular expression of files with wildcards, whose constraint may stand beside a name."""
    parts = re.split(r"\{(\w+)(?:,[^}]*)?\}", re.sub(r"\{3,\}", "", pattern))
    return "".join(
        f"({CONSTRAINTS[part]})" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)
    )


RULES = [
    Rule(files=[]),
    Rule(files=["results/{set}/{run}/acc.json", "results/{set}/{run}/acc.png"]),
    Rule(files=["results/{set}/flow/{shard,[0-9]{3,}}.h5", "results/{set}/logs/flow/{shard}.log"]),
    Rule(files=["results/{set}/tables.json"]),
]
WORKFLOW = SimpleNamespace(rules=RULES, is_rule=lambda name: name == "all")


@pytest.fixture
def config(tmp_path, monkeypatch) -> dict:
    """Two sets, of which 'mine' has its videos."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    sets = {"ucf101": {"videos": "none"}, "mine": {"videos": "clips"}, "demo": {"videos": "none"}}
    return {"sets": sets, "variants": {"baseline": {}, "tsn": {}}}


@pytest.mark.parametrize(
    "target",
    [
        "all",
        "results/mine/split1/acc.json",
        "results/mine/split1/baseline/seed2/acc.png",
        "results/mine/flow/013.h5",
        # Snakemake itself takes these for the files that they mean.
        "./results/mine/split1/acc.json",
        "results/mine/split1/acc.json/",
    ],
)
def test_what_is_made_is_taken(target, config):
    targets.check([target], WORKFLOW, config)


@pytest.mark.parametrize(
    "target, meant",
    [
        ("results/mine/split1/acc.jsn", "results/mine/split1/acc.json"),
        ("results/mine/split3/acc.jsn", "results/mine/split3/acc.json"),
        ("results/mine/split1/tns/acc.json/x", "results/mine/split1/tsn/acc.json"),
        ("results/mine/split1", "results/mine/split1/acc.json"),
        ("results/mine/split2/baseline/", "results/mine/split2/baseline/acc.json"),
        ("results/mine", "results/mine/split1/acc.json"),
        ("results/nime/split1", "results/mine/split1/acc.json"),
        ("result/mine/split1/acc.json", "results/mine/split1/acc.json"),
        ("mine/split1/acc.json", "results/mine/split1/acc.json"),
        ("acc.json", "results/mine/split1/acc.json"),
        ("split2/acc.json", "results/mine/split2/acc.json"),
        ("/home/me/project/results/mine/split2/acc.json", "results/mine/split2/acc.json"),
        ("results/mine/table.json", "results/mine/tables.json"),
        ("results/mine/flow/7.h5", "results/mine/flow/000.h5"),
        ("results/mine/flow/0012h5", "results/mine/flow/0012.h5"),
    ],
)
def test_what_is_not_made_has_a_nearest(target, meant, config):
    with pytest.raises(PipelineError) as refused:
        targets.check([target], WORKFLOW, config)
    assert str(refused.value) == f"{target}: nothing makes this file; did you mean {meant}?"


@pytest.mark.parametrize("target", ["foo", "/", "--", "README"])
def test_what_is_near_to_nothing_has_an_example(target, config):
    with pytest.raises(PipelineError) as refused:
        targets.check([target], WORKFLOW, config)
    assert "results/mine/split1/acc.json" in str(refused.value)


def test_all_that_are_wrong_are_named(config):
    with pytest.raises(PipelineError) as refused:
        targets.check(["foo", "all", "bar"], WORKFLOW, config)
    assert [line.partition(":")[0] for line in str(refused.value).split("\n")] == ["bar", "foo"]
