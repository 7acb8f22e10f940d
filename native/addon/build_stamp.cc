#include "addon/build_stamp.h"

namespace onelogit::addon {

const char* build_stamp() { return ONELOGIT_BUILD_STAMP; }

}  // namespace onelogit::addon
