#!/usr/bin/env bash
# npm run test:sanitized [-- vitest arguments]: the TypeScript tests against an addon built with AddressSanitizer and
# UndefinedBehaviorSanitizer, so that a boundary that reads past a buffer is an error and not luck. node-gyp-build finds that
# addon through $ONELOGIT_PREBUILD. Leaks are not looked for: Node itself leaves memory at exit.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/build-native.mjs --sanitize
node scripts/build-typescript.mjs # some tests run the package in processes of their own, from dist/
# The runtimes have to be in the process before Node is; libstdc++ with them, for the interceptor of C++ exceptions.
library() { "${CXX:-g++}" -print-file-name="$1"; }
preload="$(library libasan.so) $(library libubsan.so) $(library libstdc++.so.6)"
export ONELOGIT_PREBUILD=$PWD/build-sanitize
export ONELOGIT_SANITIZED=1 # tests that measure time or memory skip, and say so
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=1:detect_stack_use_after_return=1:${ASAN_OPTIONS-}
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS-}
LD_PRELOAD=$preload exec node node_modules/vitest/vitest.mjs run "$@"
