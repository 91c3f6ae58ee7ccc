#!/usr/bin/env bash
# Resolves requirements/*.lock from pyproject.toml: one for everything that the default loop needs, one for
# each deployable out of it, and beside them what a transformer needs to be trained and to be served.
# torch is in none of them: which build of it is right depends on the machine (docs/transformer.md).
set -euo pipefail
uv=$1
cd "$(dirname "$0")/.."
options=(pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
  --no-emit-index-url --no-emit-find-links)
default=(--extra api --extra client --extra ui --extra workflow --extra dev)
"$uv" "${options[@]}" "${default[@]}" pyproject.toml -o requirements/dev.lock
for extra in api ui workflow transformer onnx; do
  "$uv" "${options[@]}" --extra "$extra" -c requirements/dev.lock pyproject.toml -o "requirements/$extra.lock"
done
