#!/usr/bin/env bash
# npm run test:native [-- MODE…]: builds and runs the native tests. Modes (default: the first three and aarch64):
#   plain      as released, with OpenBLAS when it is installed, then without it and with the kernels of lower instruction sets
#   cuda       the CUDA sources on the CPU (test/native/cuda_host), with the threads of a block in several orders
#   sanitize   AddressSanitizer and UndefinedBehaviorSanitizer, the CUDA sources included
#   aarch64    cross-compiled and run under qemu, for the NEON kernels (g++-aarch64-linux-gnu, qemu-user)
#   threads    ThreadSanitizer, for the thread pool and what runs on it
# Needs cmake and doctest-dev. Builds in build-native-MODE/, incrementally.
set -euo pipefail
cd "$(dirname "$0")/.."

generator=()
command -v ninja >/dev/null && generator=(-G Ninja)

# build MODE CMAKE_OPTION…
build() {
  local directory=build-native-$1
  shift
  cmake -S . -B "$directory" "${generator[@]}" -DONELOGIT_TESTS=ON "$@" | grep 'onelogit:' || true
  cmake --build "$directory" --parallel "$(nproc)"
}

run_mode() {
  local tests=build-native-$1/onelogit_native_tests cuda_tests=build-native-$1/onelogit_cuda_host_tests
  case $1 in
    plain)
      build plain
      "$tests"
      # Other cuts of the same work: one thread, and more than there are processors.
      ONELOGIT_BLAS=portable ONELOGIT_THREADS=5 "$tests"
      if [[ $(uname -m) == x86_64 ]]; then
        ONELOGIT_BLAS=portable ONELOGIT_SIMD=avx2 ONELOGIT_THREADS=1 "$tests"
        ONELOGIT_BLAS=portable ONELOGIT_SIMD=portable ONELOGIT_THREADS=3 "$tests"
      fi
      ;;
    cuda)
      build cuda -DONELOGIT_CUDA_HOST=ON
      "$cuda_tests"
      ;;
    sanitize)
      build sanitize -DONELOGIT_SANITIZE=ON -DONELOGIT_CUDA_HOST=ON
      local asan=allocator_may_return_null=1:${ASAN_OPTIONS-} ubsan=print_stacktrace=1:${UBSAN_OPTIONS-}
      # At once: the second program has one thread.
      export UBSAN_OPTIONS=$ubsan ONELOGIT_TEST_SMALL=1
      local status=0
      ASAN_OPTIONS=$asan "$cuda_tests" >"$cuda_tests.log" 2>&1 &
      ASAN_OPTIONS=detect_stack_use_after_return=1:$asan "$tests" || status=$?
      wait $! || status=$?
      cat "$cuda_tests.log"
      return "$status"
      ;;
    aarch64)
      build aarch64 -DONELOGIT_BLAS=portable -DCMAKE_TOOLCHAIN_FILE="$PWD/test/native/aarch64.cmake"
      ONELOGIT_TEST_SMALL=1 ONELOGIT_THREADS=2 qemu-aarch64 -L /usr/aarch64-linux-gnu "$tests"
      ;;
    threads)
      build threads -DONELOGIT_SANITIZE=thread -DONELOGIT_BLAS=portable
      TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1:${TSAN_OPTIONS-} ONELOGIT_TEST_SMALL=1 ONELOGIT_THREADS=4 "$tests"
      ;;
    *)
      echo "Expected plain, cuda, sanitize, aarch64 or threads for the mode but received '$1'" >&2
      exit 2
      ;;
  esac
}

for mode in "${@:-plain cuda sanitize aarch64}"; do
  # The default is four words in one.
  for each in $mode; do
    echo "-- native tests: $each"
    run_mode "$each"
  done
done
