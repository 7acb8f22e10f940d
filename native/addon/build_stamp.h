#pragma once

namespace onelogit::addon {

// What the addon was built from, as a hash of native sources, cmake files and version: scripts/build-stamp.mjs. In a
// file of its own, because it is compiled anew whenever any of them has changed.
const char* build_stamp();

}  // namespace onelogit::addon
