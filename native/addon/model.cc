#include "addon/addon.h"

namespace onelogit::addon {

void export_model(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
