// drawGlyphs(options, images): fills an array of the caller's, synchronously.

#include "data/glyphs.h"
#include "addon/addon.h"

namespace onelogit::addon {
namespace {

Napi::Value draw_glyphs_into(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto object = info[0].As<Napi::Object>();
    const ArrayView<std::uint8_t> images = uint8_array(info[1], "images");
    GlyphOptions options;
    options.classes = integer_field(object, "classes", 0);
    options.seed = static_cast<std::uint64_t>(integer_field(object, "seed", 0));
    options.split = static_cast<std::uint64_t>(integer_field(object, "split", 0));
    options.size = static_cast<std::int32_t>(integer_field(object, "size", 0));
    options.distortion = static_cast<std::int32_t>(integer_field(object, "distortion", 0));
    if (options.classes < 1 || options.size < 8 || options.size > 1024 || options.distortion < 0 ||
        options.distortion > 1024)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE", "Expected checked options for glyphs but received others");
    const std::size_t bytes = static_cast<std::size_t>(options.size) * options.size;
    if (images.length % bytes != 0)
      throw Error(
          ErrorKind::range, "ERR_ONELOGIT_LENGTH",
          "Expected whole images of " + std::to_string(bytes) + " bytes but received " + std::to_string(images.length));
    draw_glyphs(options, static_cast<std::int64_t>(images.length / bytes), images.data, nullptr);
    return info.Env().Undefined();
  });
}

}  // namespace

void export_glyphs(Napi::Env env, Napi::Object exports) {
  exports.Set("drawGlyphs", Napi::Function::New(env, draw_glyphs_into));
}

}  // namespace onelogit::addon
