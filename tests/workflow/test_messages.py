"""What Snakemake says for us."""

import pytest

from pipeline.errors import PipelineError
from pipeline.workflow import messages


class Guarded:
    def refuse(self):
        raise PipelineError("first.csv: wrong\nsecond.csv: wrong, too")

    def later(self):
        return self.refuse

    name = "a name"


@pytest.mark.parametrize(
    "call", [lambda guarded: guarded.refuse(), lambda guarded: guarded.later()()]
)
def test_bad_input_ends_snakemake_with_its_sentences(call):
    with pytest.raises(SystemExit) as ended:
        call(messages.ExitOnPipelineError(Guarded()))
    assert str(ended.value) == "error: first.csv: wrong\nerror: second.csv: wrong, too"
    assert messages.ExitOnPipelineError(Guarded()).name == "a name"


def test_braces_in_the_folder_of_the_workflow_are_refused(tmp_path):
    messages.check_folder(tmp_path / "blanks, $HOME, 'quotes' and 数据")
    for name in ("{x}", "a{", "}"):
        with pytest.raises(PipelineError, match="braces.*; rename the folder"):
            messages.check_folder(tmp_path / name)


def test_results_of_an_earlier_version_are_named_once(tmp_path):
    for name in ("old/flow", "new/flow"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "000.json").touch()
    (tmp_path / "new/flow/000.content.json").touch()
    (note,) = messages.note_earlier_results(["old", "new", "none"], tmp_path)
    assert "old was made by an earlier version" in note and "will be made again" in note
    assert messages.note_earlier_results(["old", "new", "none"], tmp_path) == []
    assert not (tmp_path / "none").exists()
