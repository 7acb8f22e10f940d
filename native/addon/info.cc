#include "addon/addon.h"

namespace onelogit::addon {

void export_info(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
