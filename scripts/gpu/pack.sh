#!/usr/bin/env bash
# Packs what a GPU host without a network needs to run this package into .gpu/ (ignored by git; at most 60 MiB): Node, node_modules, dist/,
# data, and, compiled here for compute capability 9.0 (code and PTX, which later GPUs compile for themselves), the addon and the two
# native programs. Needs nvcc. Copy the sources and .gpu/ to the host, and there: source .gpu/setup.sh
#
#   scripts/gpu/pack.sh [DATA_DIRECTORY…]      after npm ci; a data set keeps its directory's name
set -euo pipefail
cd "$(dirname "$0")/../.."
jobs=${JOBS:-$(nproc)}
pack=.gpu
mkdir -p "$pack" build-gpu

# Portable matrix products: the host may have no OpenBLAS. libstdc++ goes into the programs; Node brings the addon one.
export ONELOGIT_BLAS=portable ONELOGIT_CUDA=on ONELOGIT_CUDA_ARCHITECTURES=90
node scripts/build-typescript.mjs
node scripts/build-native.mjs --out build-gpu/addon
cmake -S . -B build-gpu/programs -DONELOGIT_TESTS=ON -DONELOGIT_BENCH=ON -DCMAKE_EXE_LINKER_FLAGS='-static-libstdc++ -static-libgcc' >/dev/null
cmake --build build-gpu/programs --target onelogit_cuda_tests onelogit_bench_cuda --parallel "$jobs"

staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
mkdir -p "$staged/addon/build/Release" "$staged/programs"
cp build-gpu/addon/Release/onelogit.node "$staged/addon/build/Release/"
cp build-gpu/programs/onelogit_cuda_tests build-gpu/programs/onelogit_bench_cuda "$staged/programs/"
strip --strip-unneeded "$staged/addon/build/Release/onelogit.node" "$staged"/programs/*
(cd "$staged" && wc -c addon/build/Release/onelogit.node programs/*)
tar -C "$staged" -cf - addon programs | xz -T0 -6 >"$pack/binaries.tar.xz"

tar -cf - dist | xz -T0 -6 >"$pack/dist.tar.xz"
[ -s "$pack/node.xz" ] || xz -T0 -6 -c "$(node -p process.execPath)" >"$pack/node.xz"
modules=$pack/node_modules.$(sha256sum package-lock.json | cut -c1-16).tar.xz
if [ ! -s "$modules" ]; then
  rm -f "$pack"/node_modules.*.tar.xz
  # TypeScript is compiled and linted before; vitest translates the tests by itself.
  tar --exclude='node_modules/@biomejs' --exclude='node_modules/typescript' --exclude='node_modules/.*' \
    --exclude='*.map' --exclude='*.md' -cf - node_modules | xz -T0 -6 >"$modules"
fi
rm -f "$pack"/data.*.tar.xz
for data in "$@"; do tar -C "$(dirname "$data")" -cf - "$(basename "$data")" | xz -T0 -6 >"$pack/data.$(basename "$data").tar.xz"; done
cp scripts/gpu/setup.sh "$pack/"
# The host may get no history.
changes=$(git status --porcelain)
echo "$(git rev-parse --short=12 HEAD)${changes:+ with uncommitted changes}" >"$pack/commit"

du -ch "$pack"/* | sort -h
size=$(du -sm "$pack" | cut -f1)
if [ "$size" -gt 60 ]; then
  echo "Expected at most 60 MiB for the pack but received $size: leave some data out" >&2
  exit 1
fi
