"""What the command line says of itself."""

from __future__ import annotations

import re
import subprocess

import pytest

from prioria.cli import COMMANDS, DATA_COMMANDS, EXAMPLES, FAMILIES, TASKS, _app, main, shorthand


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code
    return capsys.readouterr().out


def test_commands_stand_under_what_they_are_for(capsys) -> None:
    text = said(capsys, "--help")
    places = [text.index(f"─ {task} ─") for task in TASKS]
    assert places == sorted(places)
    shown = set(re.findall(r"^│ ([a-z-]+) ", text, re.M))
    assert shown == {*COMMANDS, "data", "--help", "--install-completion", "--version"} - {"--help"} | (
        shown & {"--help"}
    )


def test_training_shows_examples_first_and_the_usual_options(capsys) -> None:
    text = said(capsys, "train", "--help")
    assert text.index("prioria train my.csv") < text.index("Usage: prioria train") < text.index("--out")
    assert "--help all" in text and "--prior.components" not in text and len(text.splitlines()) < 65
    whole = said(capsys, "train", "--help", "all")
    titles = ["Values", "Pictures", "Series", "Tables", "Parts of the model", "Training"]
    places = [whole.index(f"─ {title} ─") for title in titles]
    assert places == sorted(places)
    assert all(option in whole for option in ("--prior.components", "--device", "--tracker", "--window", "--schema"))


LINES = re.findall(r"^prioria (train .*?)(?:   +.*)?$", EXAMPLES["train"]["help_prologue"], re.M)


@pytest.mark.parametrize("line", LINES)
def test_examples_are_commands(line: str) -> None:
    assert len(LINES) == 5
    function, bound, _ = _app().parse_args(shorthand(line.split(), FAMILIES), exit_on_error=False, print_error=False)
    assert function.__name__ == "train" and bound.arguments


def test_a_shell_can_complete_every_command() -> None:
    script = _app().generate_completion(shell="bash")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    for name in (*COMMANDS, *DATA_COMMANDS, "--suggest-target", "--num-samples"):
        assert name in script
