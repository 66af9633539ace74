"""What no split list may say, whatever its format."""

from dataset_cases import CURE, refusal

from pipeline.datasets import ucf101


def test_clip_on_both_sides(lists):
    lines = refusal(
        ucf101.read, "set", lists(testlist01="Run/v_Run_g01_c01.avi\nJump/v_Jump_g02_c01.avi\n")
    )
    assert any(
        "Run/v_Run_g01_c01.avi" in line and "both train and test of split1" in line
        for line in lines
    )
    assert all(CURE.search(line) for line in lines)


def test_every_problem_is_named_at_once(lists):
    test = "".join(
        f"Run/v_Run_g01_c{number:02d}.avi\nSwim{number}/a.avi\n" for number in range(3, 6)
    )
    lines = refusal(ucf101.read, "set", lists(testlist01=test))
    assert all(any(f"'Swim{number}/a.avi'" in line for line in lines) for number in range(3, 6))
    assert any("Run/g01" in line for line in lines)
