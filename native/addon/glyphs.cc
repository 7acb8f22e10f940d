#include "addon/addon.h"

namespace onelogit::addon {

void export_glyphs(Napi::Env, Napi::Object) {}

}  // namespace onelogit::addon
