#!/usr/bin/env bash
# Resolve every dependency anew and write the exact versions to constraints.txt, without any index address. Needs uv.
set -euo pipefail
cd "$(dirname "$0")/.."
own=()
for project in core/pyproject.toml plugins/*/pyproject.toml; do
    own+=(--no-emit-package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$project" | head -n 1)")
done
exec uv pip compile --quiet --upgrade --universal --python-version 3.11 \
    --no-annotate --no-header --no-emit-index-url --no-emit-find-links "${own[@]}" \
    core/pyproject.toml plugins/*/pyproject.toml pyproject.toml --group test --group check --group docs --group mutants \
    --output-file constraints.txt
