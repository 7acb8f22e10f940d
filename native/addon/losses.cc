#include "addon/addon.h"

namespace onelogit::addon {

void export_losses(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
