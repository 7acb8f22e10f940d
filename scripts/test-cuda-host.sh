#!/usr/bin/env bash
# npm run test:cuda-host [-- NAME…]: TypeScript tests against an addon whose GPU is the stand-in test/native/cuda_host, so that
# device: 'auto' and 'cuda' take every road of the CUDA backend up to JavaScript without a GPU. NAME is the beginning of a file in test/;
# default: those that compute, where the stand-in is not too slow.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/build-native.mjs --cuda-host
node scripts/build-typescript.mjs # some tests run the package in processes of their own, from dist/
export ONELOGIT_PREBUILD=$PWD/build-cuda-host
export ONELOGIT_CUDA_HOST=1 # tests that measure time skip, and say so
(($#)) || set -- gpu.test model fit save-load classifier.test embedding sequences reentrancy calibrate backend
exec node node_modules/vitest/vitest.mjs run "${@/#/test/}"
