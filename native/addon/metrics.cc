#include "addon/addon.h"

namespace onelogit::addon {

void export_metrics(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
