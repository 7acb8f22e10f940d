#include "addon/addon.h"

namespace onelogit::addon {

void export_classifier(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
