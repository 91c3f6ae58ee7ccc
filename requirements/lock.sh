#!/usr/bin/env bash
# Resolves requirements/*.lock from pyproject.toml: one for everything, and one for each deployable out of it.
set -euo pipefail
uv=$1
cd "$(dirname "$0")/.."
options=(pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
  --no-emit-index-url --no-emit-find-links)
"$uv" "${options[@]}" --all-extras pyproject.toml -o requirements/dev.lock
for extra in api ui workflow; do
  "$uv" "${options[@]}" --extra "$extra" -c requirements/dev.lock pyproject.toml -o "requirements/$extra.lock"
done
