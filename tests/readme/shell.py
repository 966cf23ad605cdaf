"""Runs a block of commands of a page; those of prioria in this process, as starting one anew takes longer than most."""

from __future__ import annotations

import re
import shlex
import subprocess

from prioria.cli import main

PLAIN = re.compile(r"prioria [^|<>&;$`*?()#\n]*")  # nothing that only a shell understands


def run(commands: str, *, apart: bool = False) -> None:
    """Runs the commands in their order, all by a shell where ``apart``; CalledProcessError where one fails."""
    lines = [line for line in commands.replace("\\\n", " ").splitlines() if line.strip()]
    if apart or not all(line.startswith("prioria ") for line in lines):  # loops, folders, variables
        subprocess.run(["bash", "-euc", commands], check=True)
        return
    for line in lines:
        if not PLAIN.fullmatch(line) or "--jobs" in line:  # workers would start this program again
            subprocess.run(["bash", "-euc", line], check=True)
        elif status := _status(shlex.split(line)[1:]):
            raise subprocess.CalledProcessError(status, line)


def _status(arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0) if not isinstance(end.code, str) else 1
    return 0
