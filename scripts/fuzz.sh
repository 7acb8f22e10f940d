#!/usr/bin/env bash
# npm run fuzz [-- seconds]: every libFuzzer target of test/native/fuzz for that long each (default 60), on a copy of the corpus
# in git. Needs clang and its runtime (Debian: clang libclang-rt-14-dev). A crash is left in build-fuzz/crashes/ and is the exit status.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
CC=clang CXX=clang++ cmake -S . -B build-fuzz -DONELOGIT_FUZZ=ON -DONELOGIT_BLAS=portable
mkdir -p build-fuzz/crashes
for source in test/native/fuzz/*_fuzz.cc; do
  target=$(basename "$source" .cc)
  cmake --build build-fuzz --parallel "$(nproc)" --target "$target"
  mkdir -p "build-fuzz/corpus/$target"
  build-fuzz/"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix=build-fuzz/crashes/ "build-fuzz/corpus/$target" test/native/fuzz/corpus
  echo "fuzz: $target ran $seconds s without a finding"
done
