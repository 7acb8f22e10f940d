#!/usr/bin/env bash
# npm run compile:cuda [-- ARCHITECTURE…]: compiles every CUDA source with nvcc, warnings are errors; for the compute capabilities that prebuilds hold
# (default: 75 80 86 89 90 100 120). Says so where there is no nvcc.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v nvcc >/dev/null; then
  echo 'cuda: not compiled, there is no nvcc'
  exit 0
fi
architectures=("$@")
((${#architectures[@]})) || architectures=(75 80 86 89 90 100 120)
targets=()
for architecture in "${architectures[@]}"; do targets+=(-gencode "arch=compute_$architecture,code=sm_$architecture"); done
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
# C++17: what nvcc and the host compilers of CUDA 12 and 13 have in common.
find native/backend/cuda -name '*.cu' -print0 | xargs -0 -P "$(nproc)" -I{} sh -c '
  nvcc -std=c++17 -O3 -I native -Xcompiler=-Wall,-Wextra -Werror all-warnings --threads 1 "$@" -c "{}" -o "$0/$(basename "{}").o"' "$objects" "${targets[@]}"
echo "cuda: $(find native/backend/cuda -name '*.cu' | wc -l) sources compiled for ${architectures[*]}"
