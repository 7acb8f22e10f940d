// The C++ model behind a JavaScript NativeModel, for the files of the addon that work on one.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

#include "addon/addon.h"
#include "addon/call_backend.h"
#include "format/safetensors.h"
#include "model/model.h"

namespace onelogit::addon {

// A model and who uses it. Many may predict and save at once; training and writing tensors need it alone. Nobody waits:
// a use that would have to is refused with ERR_ONELOGIT_BUSY.
class SharedModel {
 public:
  explicit SharedModel(std::unique_ptr<Model> model) : model_(std::move(model)) {}

  // The model for as long as this exists. `what` is for the message. A model that is `mixed` is refused with
  // ERR_ONELOGIT_MIXED, unless `replaces`: every tensor of it is about to be replaced.
  class Use {
   public:
    Use(std::shared_ptr<SharedModel> shared, bool alone, const char* what, bool replaces = false);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Model& operator*() const { return *shared_->model_; }
    Model* operator->() const { return shared_->model_.get(); }

   private:
    void release();
    std::shared_ptr<SharedModel> shared_;
    bool alone_;
  };

  // What never changes (shapes, counts) may be read without a use.
  const Model& constant() const { return *model_; }
  bool alone() const { return users_.load() < 0; }

 private:
  std::unique_ptr<Model> model_;
  std::atomic<int> users_{0};  // −1: one user, alone
};
using ModelUse = std::shared_ptr<SharedModel::Use>;

// Throws a TypeError ERR_ONELOGIT_ARGUMENT unless `value` is a NativeModel, ERR_ONELOGIT_DISPOSED if it was disposed
// of.
std::shared_ptr<SharedModel> model_from_javascript(const Napi::Value& value);
// A new NativeModel.
Napi::Value model_to_javascript(Napi::Env env, std::unique_ptr<Model> model);

// Where a model is to compute. Making the backend asks the driver: jobs do it on their threads.
struct Placement {
  std::string device;
  Precision precision = Precision::float32;
  std::shared_ptr<Backend> backend() const { return backend_on(device, precision); }
};
// { device, precision? }
Placement placement_from_javascript(const Napi::Object& object);
// { inputShape, layers, seed } as src/model.ts makes it.
ModelSpec model_spec_from_javascript(const Napi::Object& object);
// { scale, mean?, standardDeviation? }
Preprocessing preprocessing_from_javascript(const Napi::Object& object);
// Shape of one example after each layer. Allocates no tensors.
std::vector<Shape> output_shapes(const ModelSpec& spec);
Napi::Array shape_to_javascript(Napi::Env env, const Shape& shape);
Napi::Array shapes_to_javascript(Napi::Env env, const std::vector<Shape>& shapes);
// [{ name, shape, trainable }]
Napi::Array tensors_to_javascript(Napi::Env env, const std::vector<NamedTensor>& tensors);

// The tensors of class names in a file: their UTF-8, and k + 1 offsets into it.
inline constexpr const char* name_bytes_tensor = "class_names.bytes";
inline constexpr const char* name_offsets_tensor = "class_names.offsets";
// { bytes: Uint8Array, offsets: Uint8Array }, copied.
Napi::Object names_to_javascript(Napi::Env env, const std::vector<std::byte>& bytes,
                                 const std::vector<std::byte>& offsets);
// { bytes: Uint8Array, offsets: BigInt64Array } as tensors class_names.bytes and class_names.offsets of a file; copied.
// Nothing for undefined.
std::vector<TensorToWrite> class_names_from_javascript(const Napi::Value& names);

// The methods of NativeModel that are jobs; the first use is the model of `this`.
Napi::Value fit(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Object& options);
Napi::Value evaluate(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Object& source,
                     const Napi::Object& options);
Napi::Value save(Napi::Env env, const std::shared_ptr<SharedModel>& model, const std::string& path,
                 const std::string& metadata, const Napi::Value& class_names);
// writeFiles(files): native/format/composed_file.h
Napi::Value write_files(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Value& files);
// loadStateDict(paths, [{ name, file, channels?, pixels? }])
Napi::Value load_state_dict(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Array& paths,
                            const Napi::Array& tensors);
// openModelFile(path)
Napi::Value open_model_file(const Napi::CallbackInfo& info);

// { promise, cancel() }
Napi::Object job_to_javascript(Napi::Env env, const StartedJob& started);

}  // namespace onelogit::addon
