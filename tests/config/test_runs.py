"""Runs of a data set: their texts, and the settings of variants and seeds."""

import pytest
from config_cases import CONFIG

from pipeline.config import runs, settings


@pytest.mark.parametrize(
    "text, variant, seed",
    [
        ("split1", "complete", None),
        ("split2/baseline", "baseline", None),
        ("split1/seed3", "complete", 3),
        ("split3/syn/seed12", "syn", 12),
    ],
)
def test_a_run_is_its_path(text, variant, seed):
    run = runs.Run.parse(text)
    assert (run.split, run.variant, run.seed, str(run)) == (text.split("/")[0], variant, seed, text)


def test_a_variant_is_laid_over_the_set_and_over_its_streams():
    syn = runs.for_run(CONFIG, "demo", runs.Run.parse("split1/baseline_syn/seed7"))
    assert (syn["network"]["kind"], syn["period"]["delta"], syn["seed"]) == ("baseline", 0, 7)
    assert syn["network"]["width"] == CONFIG["sets"]["demo"]["settings"]["network"]["width"]
    assert runs.for_run(CONFIG, "demo", runs.Run("split1")) == settings.for_set(CONFIG, "demo")


def test_a_variant_takes_the_streams_that_it_names():
    def streams(text):
        return str(runs.Run.parse(text).streams(CONFIG))

    assert (
        streams("split1/baseline_asyn1/seed2") == "split1/baseline/seed2"
        and streams("split2/syn") == "split2"
    )
    assert streams("split1/direct") == "split1/direct" and streams("split1") == "split1"
    fuses = {
        name for name in ("complete", *CONFIG["variants"]) if runs.Run("split1", name).fuses(CONFIG)
    }
    assert fuses == {"complete", "baseline_syn", "baseline_asyn1", "baseline_asyn5", "syn"}
