#!/usr/bin/env bash
# npm run lint:native [-- --recent]: layout (clang-format) and likely mistakes (clang-tidy) of the C++ sources. Needs a configured build.
# --recent: clang-tidy, which takes minutes, looks only at what the newest 25 commits and the working tree changed.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tracked files and new ones; in a tree without git, what is there.
sources() { git ls-files -co --exclude-standard -- "$@" 2>/dev/null || find native test bench/native -name '*.cc' -o -name '*.h' -o -name '*.cu'; }

sources 'native/**.cc' 'native/**.h' 'native/**.cu' 'test/**.cc' 'test/**.h' 'bench/**.cc' | xargs clang-format --dry-run -Werror

[[ -f build/compile_commands.json ]] || node scripts/build-native.mjs
# One compile command per source: a kernel has one per instruction set, and its mistakes are the same in each.
tidy=$(mktemp -d)
trap 'rm -rf "$tidy"' EXIT
node - build/compile_commands.json "$tidy" <<'JS'
const { readFileSync, writeFileSync } = require('node:fs');
const { relative } = require('node:path');
const [from, to] = process.argv.slice(2);
const seen = new Map();
for (const entry of JSON.parse(readFileSync(from, 'utf8'))) {
  const file = relative(process.cwd(), entry.file);
  // The last one wins: the widest instruction set. Kernels are nvcc's to check (npm run compile:cuda): clang-tidy does not know this CUDA.
  if (file.startsWith('native/') && !file.endsWith('.cu')) seen.set(file, entry);
}
writeFileSync(`${to}/compile_commands.json`, JSON.stringify([...seen.values()]));
writeFileSync(`${to}/files`, [...seen.keys()].join('\n'));
JS
# Without a history, all.
if [[ ${1-} == --recent ]] && { git log -25 --name-only --format= && git diff --name-only HEAD; } >"$tidy/recent" 2>/dev/null; then
  grep -Fx -f "$tidy/recent" "$tidy/files" >"$tidy/chosen" || true
  mv "$tidy/chosen" "$tidy/files"
fi
xargs -r -P "$(nproc)" -n 1 clang-tidy -p "$tidy" --quiet <"$tidy/files" 2> >(grep -vE 'warnings? (generated|treated)|Suppressed|Use -header-filter' >&2 || true)
