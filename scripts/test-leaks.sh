#!/usr/bin/env bash
# npm run test:leaks: classifiers made, replaced and let go by the thousand, in workers too, under AddressSanitizer and LeakSanitizer. A leak whose
# stack passes through the addon is a failure; Node's own, which it leaves to the end of the process, are not looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/build-native.mjs --sanitize
node scripts/build-typescript.mjs
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
library() { "${CXX:-g++}" -print-file-name="$1"; }
# Leaks do not change the exit status; any other finding does.
ONELOGIT_PREBUILD=$PWD/build-sanitize \
  ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:log_path="$reports/report" \
  LSAN_OPTIONS=exitcode=0 \
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  LD_PRELOAD="$(library libasan.so) $(library libubsan.so) $(library libstdc++.so.6)" \
  node --expose-gc test/leaks/classifiers.mjs
# A report is paragraphs, one a leak.
if cat "$reports"/* 2>/dev/null | awk 'BEGIN { RS = ""; ORS = "\n\n" } /leak of/ && /onelogit/ { print; found = 1 } END { exit !found }'; then
  echo 'leaks: the addon lost the memory above' >&2
  exit 1
fi
echo 'leaks: none'
