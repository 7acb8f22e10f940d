#include "addon/addon.h"

namespace onelogit::addon {

void export_files(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
