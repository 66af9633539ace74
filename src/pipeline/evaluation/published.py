"""The accuracies that the paper reports, from published.json beside this file.

Standard library only: the workflow imports this module.
"""

import json
from importlib import resources


def accuracies() -> dict:
    """The paper's accuracies in percent: by set, table (number as text), row name and source."""
    text = resources.files("pipeline.evaluation").joinpath("published.json").read_text("utf-8")
    return json.loads(text)["sets"]


def rows(plan: dict, set_name: str) -> dict:
    """The tables `plan` of a config, each row with the paper's numbers for the set in `paper`.

    A row finds its numbers by its table and its name. Numbers that the config gives for the set
    stay as they are. A row of some classes gets none, as the paper's numbers are over all classes.
    """
    tables = accuracies().get(set_name, {})

    def with_paper(row: dict) -> dict:
        reported = tables.get(str(row["table"]), {}).get(row["name"])
        own = row.get("paper", {})
        if reported is None or set_name in own or row.get("classes"):
            return row
        return row | {"paper": own | {set_name: reported}}

    return plan | {"rows": [with_paper(row) for row in plan["rows"]]}
