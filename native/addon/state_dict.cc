// model.loadStateDict: see src/state-dict.ts, which has looked at the headers of the files.

#include "model/state_dict.h"

#include "addon/model.h"

namespace onelogit::addon {
namespace {

std::vector<std::string> paths_from_javascript(const Napi::Array& array) {
  std::vector<std::string> paths;
  paths.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) paths.push_back(array.Get(i).ToString().Utf8Value());
  return paths;
}

std::vector<StateDictTensor> tensors_from_javascript(Napi::Env env, const Napi::Array& array) {
  std::vector<StateDictTensor> tensors;
  tensors.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(env);
    const Napi::Object object = array.Get(i).ToObject();
    tensors.push_back({string_field(object, "name", ""), static_cast<std::size_t>(integer_field(object, "file", 0)),
                       integer_field(object, "channels", 1), integer_field(object, "pixels", 1)});
  }
  return tensors;
}

}  // namespace

Napi::Value load_state_dict(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Array& paths,
                            const Napi::Array& tensors) {
  auto use = std::make_shared<SharedModel::Use>(model, true, "model.loadStateDict");
  return start_job(env,
                   [use, paths = paths_from_javascript(paths),
                    tensors = tensors_from_javascript(env, tensors)](Job&) -> Finish {
                     std::vector<SafetensorsFile> files;
                     files.reserve(paths.size());
                     for (const std::string& path : paths) files.push_back(SafetensorsFile::open(path));
                     onelogit::load_state_dict(**use, files, tensors);
                     return [](Napi::Env settled) { return settled.Undefined(); };
                   })
      .promise;
}

}  // namespace onelogit::addon
