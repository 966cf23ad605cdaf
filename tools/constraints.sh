#!/usr/bin/env bash
# Writes constraints.txt: one version of every package that prioria and its extras need, on every platform.
# torch is pinned first and its CUDA parts are left out, so that a CPU build of the pinned version satisfies the file.
# Needs uv on the path. Usage: tools/constraints.sh [further options of uv pip compile, such as --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

torch="torch==2.13.0"
# pythae asks for this backport without an upper bound; later ones refuse the Python that we need
backport="dataclasses==0.6"
{
    echo "$torch"
    uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
        --constraint <(printf "%s\n" "$torch" "$backport") --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet "$@" |
        grep -Ev '^(torch==|nvidia-|cuda-|triton|prioria|-e |\.|#|$)'
} >constraints.txt.new
mv constraints.txt.new constraints.txt
