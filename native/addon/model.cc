// NativeModel: what src/model.ts holds. Work over many examples is a job; what is here runs at once.

#include "addon/model.h"

#include <algorithm>
#include <cstring>

#include "addon/dataset.h"
#include "addon/turns.h"

namespace onelogit::addon {
namespace {

constexpr napi_type_tag model_tag = {0x6f6e656c6f676974, 0x6d6f64656c2d3031};  // "onelogit", "model-01"

// outputShapes({ inputShape, layers })
Napi::Value output_shapes_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return shapes_to_javascript(info.Env(), output_shapes(model_spec_from_javascript(info[0].ToObject())));
  });
}

class NativeModel : public Napi::ObjectWrap<NativeModel> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeModel",
                       {
                           InstanceAccessor<&NativeModel::classes>("classes"),
                           InstanceAccessor<&NativeModel::features>("features"),
                           InstanceAccessor<&NativeModel::input_size>("inputSize"),
                           InstanceAccessor<&NativeModel::parameter_count>("parameterCount"),
                           InstanceAccessor<&NativeModel::device>("device"),
                           InstanceAccessor<&NativeModel::tensors>("tensors"),
                           InstanceAccessor<&NativeModel::layer_shapes>("outputShapes"),
                           InstanceMethod<&NativeModel::read_tensor>("readTensor"),
                           InstanceMethod<&NativeModel::write_tensor>("writeTensor"),
                           InstanceMethod<&NativeModel::last_bias_is_zero>("lastBiasIsZero"),
                           InstanceMethod<&NativeModel::set_preprocessing>("setPreprocessing"),
                           InstanceMethod<&NativeModel::predict>("predict"),
                           InstanceMethod<&NativeModel::run_evaluate>("evaluate"),
                           InstanceMethod<&NativeModel::run_fit>("fit"),
                           InstanceMethod<&NativeModel::run_save>("save"),
                           InstanceMethod<&NativeModel::run_write_files>("writeFiles"),
                           InstanceMethod<&NativeModel::run_load_state_dict>("loadStateDict"),
                           InstanceMethod<&NativeModel::dispose>("dispose"),
                       });
  }

  // (spec), or an External<std::unique_ptr<Model>> from model_to_javascript.
  explicit NativeModel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeModel>(info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      if (napi_type_tag_object(info.Env(), info.This(), &model_tag) != napi_ok) throw Napi::Error::New(info.Env());
      std::unique_ptr<Model> model;
      if (info[0].IsExternal()) {
        model = std::move(*info[0].As<Napi::External<std::unique_ptr<Model>>>().Data());
      } else {
        const Napi::Object spec = info[0].ToObject();
        const std::shared_ptr<Backend> backend = placement_from_javascript(spec).backend();
        model = std::make_unique<Model>(model_spec_from_javascript(spec), *backend);
      }
      for (const NamedTensor& tensor : model->tensors())
        bytes_ += shape_size(tensor.shape) * static_cast<std::int64_t>(weight_bytes(tensor.type));
      // The garbage collector should know what it holds back.
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
      model_ = std::make_shared<SharedModel>(std::move(model));
      return info.Env().Undefined();
    });
  }

  void Finalize(Napi::BasicEnv env) override { release(env); }

  std::shared_ptr<SharedModel> model() const {
    if (!model_)
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_DISPOSED",
                  "Expected a model in use but received one that was disposed of");
    return model_;
  }

 private:
  // Every method: what it throws becomes a JavaScript error.
  template <class Body>
  static Napi::Value call(const Napi::CallbackInfo& info, Body&& body) {
    return guarded(info.Env(), std::forward<Body>(body));
  }
  Napi::Value number(const Napi::CallbackInfo& info, std::int64_t (Model::*property)() const) {
    return call(info, [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>((model()->constant().*property)()));
    });
  }

  Napi::Value classes(const Napi::CallbackInfo& info) { return number(info, &Model::classes); }
  Napi::Value features(const Napi::CallbackInfo& info) { return number(info, &Model::feature_size); }
  Napi::Value input_size(const Napi::CallbackInfo& info) { return number(info, &Model::input_size); }
  Napi::Value parameter_count(const Napi::CallbackInfo& info) { return number(info, &Model::parameter_count); }

  Napi::Value device(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return Napi::String::New(info.Env(), std::string(model()->constant().backend().name()));
    });
  }

  Napi::Value tensors(const Napi::CallbackInfo& info) {
    return call(info,
                [&]() -> Napi::Value { return tensors_to_javascript(info.Env(), model()->constant().tensors()); });
  }

  Napi::Value layer_shapes(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return shapes_to_javascript(info.Env(), output_shapes(model()->constant().spec()));
    });
  }

  static const NamedTensor& find_tensor(const Model& model, const std::string& name) {
    const auto& tensors = model.tensors();
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& tensor) { return tensor.name == name; });
    if (found == tensors.end())
      throw Error(ErrorKind::range, "ERR_ONELOGIT_TENSOR",
                  "Expected the name of a tensor of this model but received '" + name + "'");
    return *found;
  }

  // The memory of (name, Float32Array) and the tensor it belongs to.
  static std::pair<const NamedTensor&, ArrayView<float>> tensor_arguments(const Napi::CallbackInfo& info,
                                                                          const Model& model) {
    const NamedTensor& tensor = find_tensor(model, info[0].ToString().Utf8Value());
    const ArrayView<float> values = float32_array(info[1], tensor.name.c_str());
    if (static_cast<std::int64_t>(values.length) != shape_size(tensor.shape))
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                  "Expected " + std::to_string(shape_size(tensor.shape)) + " numbers (shape " +
                      describe_shape(tensor.shape) + ") for '" + tensor.name + "' but received " +
                      std::to_string(values.length));
    return {tensor, values};
  }

  Napi::Value read_tensor(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const SharedModel::Use use(model(), false, "model.tensor");
      const auto [tensor, values] = tensor_arguments(info, *use);
      download_float32(use->backend(), tensor, 0, static_cast<std::int64_t>(values.length), values.data);
      return info.Env().Undefined();
    });
  }

  Napi::Value write_tensor(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const SharedModel::Use use(model(), true, "model.setTensor");
      const auto [tensor, values] = tensor_arguments(info, *use);
      upload_float32(use->backend(), tensor, 0, static_cast<std::int64_t>(values.length), values.data);
      use->trained = true;
      use->tensors_changed();
      return info.Env().Undefined();
    });
  }

  Napi::Value last_bias_is_zero(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const SharedModel::Use use(model(), false, "model.fit");
      const NamedTensor* bias = use->class_bias();
      if (bias == nullptr) return Napi::Boolean::New(info.Env(), false);
      std::vector<float> values(static_cast<std::size_t>(shape_size(bias->shape)));
      use->backend().download(values.data(), bias->data, values.size() * sizeof(float));
      return Napi::Boolean::New(info.Env(), std::all_of(values.begin(), values.end(), [](float b) { return b == 0; }));
    });
  }

  Napi::Value set_preprocessing(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const SharedModel::Use use(model(), true, "the preprocessing of a model");
      use->preprocessing = preprocessing_from_javascript(info[0].ToObject());
      return info.Env().Undefined();
    });
  }

  // predict(inputs, out, 'logits' | 'features')
  Napi::Value predict(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const bool features = info[2].ToString().Utf8Value() == "features";
      const char* const what = features ? "model.embed" : "model.predict";
      auto use = std::make_shared<SharedModel::Use>(model(), false, what);
      auto examples = std::make_shared<ExampleCopy>(copy_examples(info[0], "inputs"));
      const ArrayView<float> out = float32_array(info[1], "out");
      const Model& constant = **use;
      const std::int64_t m = examples->elements / constant.input_size();
      const std::int64_t width = features ? constant.feature_size() : constant.classes();
      if (m * constant.input_size() != examples->elements || m * width != static_cast<std::int64_t>(out.length))
        throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                    "Expected " + std::to_string(out.length / static_cast<std::size_t>(width)) + " × " +
                        std::to_string(constant.input_size()) + " elements for inputs but received " +
                        std::to_string(examples->elements));
      std::vector<Napi::ObjectReference> keep;
      keep.push_back(Napi::Persistent(info[1].As<Napi::Object>()));
      return start_job(
                 info.Env(),
                 [use, examples, m, features, what, data = out.data](Job& job) -> Finish {
                   const Turn turn(job, what);
                   if (!(*use)->predict(examples->bytes.data(), examples->type, m,
                                        features ? Output::features : Output::logits, data, &job.cancelled))
                     throw Error(ErrorKind::operation, "ERR_ONELOGIT_ABORTED",
                                 "Expected a prediction to finish but it was cancelled");
                   return [](Napi::Env env) { return env.Undefined(); };
                 },
                 wake_turns, std::move(keep))
          .promise;
    });
  }

  Napi::Value run_evaluate(const Napi::CallbackInfo& info) {
    return call(info, [&] { return evaluate(info.Env(), model(), info[0].ToObject(), info[1].ToObject()); });
  }
  Napi::Value run_fit(const Napi::CallbackInfo& info) {
    return call(info, [&] { return fit(info.Env(), model(), info[0].ToObject()); });
  }
  Napi::Value run_save(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      return save(info.Env(), model(), info[0].ToString().Utf8Value(), info[1].ToString().Utf8Value(), info[2]);
    });
  }

  Napi::Value run_write_files(const Napi::CallbackInfo& info) {
    return call(info, [&] { return write_files(info.Env(), model(), info[0]); });
  }

  Napi::Value run_load_state_dict(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      return load_state_dict(info.Env(), model(), info[0].As<Napi::Array>(), info[1].As<Napi::Array>());
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      if (model_ && model_->alone())
        throw Error(ErrorKind::operation, "ERR_ONELOGIT_BUSY",
                    "Expected a model that is not being trained for model.dispose but received one whose fit runs");
      release(info.Env());
      return info.Env().Undefined();
    });
  }

  // Jobs that still run keep their own hold on the model.
  void release(Napi::BasicEnv env) {
    if (!model_) return;
    model_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
  }

  std::shared_ptr<SharedModel> model_;
  std::int64_t bytes_ = 0;
};

}  // namespace

SharedModel::Use::Use(std::shared_ptr<SharedModel> shared, bool alone, const char* what, bool replaces)
    : shared_(std::move(shared)), alone_(alone) {
  int users = shared_->users_.load();
  do {
    if (users < 0 || (alone && users > 0))
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_BUSY",
                  std::string("Expected a model that is not in use for ") + what + " but received one that is being " +
                      (users < 0 ? "trained: await its fit first" : "read: await its predict, evaluate or save first"));
  } while (!shared_->users_.compare_exchange_weak(users, alone ? -1 : users + 1));
  if (!shared_->model_->mixed || replaces) return;
  release();  // there is no destructor call for what was not constructed
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_MIXED",
              std::string("Expected a model with all its weights for ") + what +
                  " but received one of which some were replaced before reading the others failed: load it anew, or "
                  "resume from a checkpoint");
}

SharedModel::Use::~Use() { release(); }

void SharedModel::Use::release() {
  if (alone_)
    shared_->users_.store(0);
  else
    shared_->users_.fetch_sub(1);
}

std::shared_ptr<SharedModel> model_from_javascript(const Napi::Value& value) {
  bool tagged = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &model_tag, &tagged);
  if (!tagged)
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected a NativeModel but received something else");
  return NativeModel::Unwrap(value.As<Napi::Object>())->model();
}

Napi::Value model_to_javascript(Napi::Env env, std::unique_ptr<Model> model) {
  return state(env).model_class.New({Napi::External<std::unique_ptr<Model>>::New(env, &model)});
}

Napi::Object job_to_javascript(Napi::Env env, const StartedJob& started) {
  const Napi::Object result = Napi::Object::New(env);
  result.Set("promise", started.promise);
  result.Set("cancel", Napi::Function::New(env, [job = started.job](const Napi::CallbackInfo&) { job->cancel(); }));
  return result;
}

void export_model(Napi::Env env, Napi::Object exports) {
  const Napi::Function model_class = NativeModel::define(env);
  state(env).model_class = Napi::Persistent(model_class);
  exports.Set("NativeModel", model_class);
  exports.Set("outputShapes", Napi::Function::New(env, output_shapes_of));
  exports.Set("openModelFile", Napi::Function::New(env, open_model_file));
}

}  // namespace onelogit::addon
