"""``python -m prioria``: the command line, for launchers such as torchrun."""

from prioria.cli import main

main()
