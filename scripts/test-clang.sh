#!/usr/bin/env bash
# npm run test:clang [-- arguments of vitest]: the addon by clang and libc++, which macOS has, and the tests on it. A warning is a failure.
# $CLANG: the suffix of its programs (default: 16, which is Debian 12's newest). Needs clang-16, libc++-16-dev, libc++abi-16-dev.
set -euo pipefail
cd "$(dirname "$0")/.."
suffix=-${CLANG:-16}
directory=$PWD/build-clang
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# As for prebuilds/: with libc++ inside. Node on Linux exports names of libstdc++, which would take the place of those of a shared libc++, and the
# exceptions of one thrown by the other end the process.
CC=clang$suffix CXX=clang++$suffix CXXFLAGS=-stdlib=libc++ ONELOGIT_BLAS=portable ONELOGIT_CUDA=off \
  node scripts/build-native.mjs --prebuild --out "$directory/build" 2>&1 | tee "$log"
if grep -q 'warning:' "$log"; then exit 1; fi
ONELOGIT_PREBUILD=$directory npx vitest run "$@"
