#!/usr/bin/env bash
# Source this in the project's root on a GPU host that got .gpu/ (pack.sh): unpacks it, once for each pack, and puts Node, the programs and
# cuBLAS where they are found. Changes nothing but node_modules/, dist/ and $ONELOGIT_HOST (default: /tmp/onelogit-host).
host=${ONELOGIT_HOST:-/tmp/onelogit-host}
packed=$(cat .gpu/*.xz .gpu/commit | sha256sum | cut -c1-16)
if [ "$(cat "$host/packed" 2>/dev/null)" != "$packed" ]; then
  rm -rf "$host" node_modules dist
  mkdir -p "$host/bin" "$host/data"
  # A host may have PyTorch but no xz.
  unpack() {
    if command -v xz >/dev/null; then xz -dc "$1"; else python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$1"; fi
  }
  unpack .gpu/node.xz >"$host/bin/node" && chmod +x "$host/bin/node" &&
    unpack .gpu/node_modules.*.tar.xz | tar -xf - &&
    unpack .gpu/dist.tar.xz | tar -xf - &&
    unpack .gpu/binaries.tar.xz | tar -C "$host" -xf - &&
    for data in .gpu/data.*.tar.xz; do [ ! -e "$data" ] || unpack "$data" | tar -C "$host/data" -xf - || break; done &&
    "$host/bin/node" --version >/dev/null && [ -x "$host/programs/onelogit_cuda_tests" ] && echo "$packed" >"$host/packed"
  if [ ! -e "$host/packed" ]; then
    echo 'Expected a host that can unpack .gpu/ (xz or python3, tar, room for it) but something above failed' >&2
    return 1
  fi
fi
export PATH=$host/bin:$PATH:/usr/local/cuda/bin
export ONELOGIT_DATA=$host/data ONELOGIT_GPU_PROGRAMS=$host/programs
# The addon that was packed, not one that is built here.
export ONELOGIT_PREBUILD=$host/addon
# cuBLAS comes with the toolkit or with Python's packages.
if ! ldconfig -p 2>/dev/null | grep -q 'libcublas\.so\.1[23]'; then
  python=$(python3 -c 'import site; print(" ".join(site.getsitepackages() + [site.getusersitepackages()]))' 2>/dev/null)
  # shellcheck disable=SC2086 # several directories
  cublas=$(find -L /usr/local/cuda*/lib64 /usr/local/cuda*/targets /opt $python -name 'libcublas.so.1[23]' 2>/dev/null | sort | tail -n 1)
  if [ -n "$cublas" ]; then
    LD_LIBRARY_PATH=$(dirname "$cublas")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
  else
    echo 'cuBLAS: not found'
  fi
fi
echo "node $(node --version), $(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1 | grep . || echo 'no GPU'), ${cublas:+cuBLAS $cublas}"
