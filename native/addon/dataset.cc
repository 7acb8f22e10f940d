#include "addon/dataset.h"

#include <condition_variable>
#include <cstring>
#include <mutex>

namespace onelogit::addon {
namespace {

[[noreturn]] void reject(ErrorKind kind, const char* code, const std::string& expected, const std::string& what,
                         const std::string& received) {
  throw Error(kind, code, "Expected " + expected + " for " + what + " but received " + received);
}

std::size_t element_size(ExampleType type) { return type == ExampleType::uint8 ? 1 : 4; }

void check_label_range(const std::vector<std::int32_t>& labels, std::int64_t classes, const std::string& name) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      reject(ErrorKind::range, "ERR_ONELOGIT_LABEL_RANGE", "classes from 0 to " + std::to_string(classes - 1),
             "labels of " + name, std::to_string(labels[i]) + " at index " + std::to_string(i));
}

// `examples` of a source called `name`, checked and copied.
HostBatch copy_batch(const Napi::Value& inputs, const Napi::Value& labels, std::int64_t examples, std::int64_t features,
                     std::int64_t classes, const std::string& name) {
  HostBatch batch;
  const std::string input_name = "inputs of " + name, label_name = "labels of " + name;
  ExampleCopy copy = copy_examples(inputs, input_name);
  if (copy.elements / features != examples || copy.elements % features != 0)
    reject(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
           std::to_string(examples) + " × " + std::to_string(features) + " elements", input_name,
           std::to_string(copy.elements));
  const ArrayView<std::int32_t> view = int32_array(labels, label_name.c_str());
  if (static_cast<std::int64_t>(view.length) != examples)
    reject(ErrorKind::range, "ERR_ONELOGIT_LENGTH", std::to_string(examples) + " integers", label_name,
           std::to_string(view.length));
  batch.inputs = std::move(copy.bytes);
  batch.type = copy.type;
  batch.labels.assign(view.data, view.data + view.length);
  check_label_range(batch.labels, classes, name);
  return batch;
}

class Memory final : public ExampleSource {
 public:
  Memory(HostBatch data, std::int64_t features, std::int64_t classes)
      : data_(std::move(data)), features_(features), classes_(classes) {}
  std::int64_t length() const override { return static_cast<std::int64_t>(data_.labels.size()); }
  std::int64_t features() const override { return features_; }
  std::int64_t classes() const override { return classes_; }
  InMemory in_memory() const override { return {data_.inputs.data(), data_.type, data_.labels.data()}; }
  bool read(const std::int64_t* indices, std::int64_t count, HostBatch& batch) override {
    const std::size_t row = static_cast<std::size_t>(features_) * element_size(data_.type);
    batch.type = data_.type;
    batch.inputs.resize(static_cast<std::size_t>(count) * row);
    batch.labels.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto from = static_cast<std::size_t>(indices[i]), to = static_cast<std::size_t>(i);
      std::memcpy(batch.inputs.data() + to * row, data_.inputs.data() + from * row, row);
      batch.labels[to] = data_.labels[from];
    }
    return true;
  }

 private:
  HostBatch data_;
  std::int64_t features_, classes_;
};

}  // namespace

ExampleCopy copy_examples(const Napi::Value& value, const std::string& what) {
  ExampleCopy copy;
  const void* data = nullptr;
  std::size_t bytes = 0;
  const auto take = [&](const auto& view, ExampleType type) {
    copy.type = type;
    copy.elements = static_cast<std::int64_t>(view.length);
    data = view.data;
    bytes = view.length * element_size(type);
  };
  switch (value.IsTypedArray() ? value.As<Napi::TypedArray>().TypedArrayType() : napi_float32_array) {
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      take(uint8_array(value, what.c_str()), ExampleType::uint8);
      break;
    case napi_int32_array:
      take(int32_array(value, what.c_str()), ExampleType::int32);
      break;
    default:
      take(float32_array(value, what.c_str()), ExampleType::float32);
  }
  const auto* first = static_cast<const std::byte*>(data);
  copy.bytes.assign(first, first + bytes);
  return copy;
}

AlsoCorrect also_correct_from_javascript(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Object object = value.ToObject();
  const auto first = int32_array(object.Get("first"), "first of alsoCorrect");
  const auto classes = int32_array(object.Get("classes"), "classes of alsoCorrect");
  return {{first.data, first.data + first.length}, {classes.data, classes.data + classes.length}};
}

// Asks JavaScript for examples and waits on another thread until they are delivered.
class Sources::Reader final : public ExampleSource {
 public:
  Reader(const Napi::Object& description, std::string name, std::int64_t length, std::int64_t features,
         std::int64_t classes)
      : name_(std::move(name)), length_(length), features_(features), classes_(classes) {
    const Napi::Env env = description.Env();
    const napi_status status =
        napi_create_threadsafe_function(env, description.Get("read"), nullptr, Napi::String::New(env, "onelogit read"),
                                        0, 1, nullptr, nullptr, nullptr, ask, &ask_);
    if (status != napi_ok) throw Napi::Error::New(env);
  }
  // On the job's thread, before its environment can be gone (jobs.cc).
  ~Reader() override { napi_release_threadsafe_function(ask_, napi_tsfn_release); }

  std::int64_t length() const override { return length_; }
  std::int64_t features() const override { return features_; }
  std::int64_t classes() const override { return classes_; }

  bool read(const std::int64_t* indices, std::int64_t count, HostBatch& batch) override {
    auto request = std::make_shared<Request>();
    request->indices.assign(indices, indices + count);
    request->features = features_;
    request->classes = classes_;
    request->name = name_;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (cancelled_) return false;
      waiting_ = request;
    }
    auto* passed = new std::shared_ptr<Request>(request);
    if (napi_call_threadsafe_function(ask_, passed, napi_tsfn_nonblocking) != napi_ok) {
      delete passed;
      return false;  // the environment is closing
    }
    std::unique_lock<std::mutex> lock(request->mutex);
    request->changed.wait(lock, [&] { return request->state != Request::State::waiting; });
    if (request->state == Request::State::cancelled) return false;
    if (request->error) std::rethrow_exception(request->error);
    batch = std::move(request->batch);
    return true;
  }

  // From the JavaScript thread.
  void cancel() {
    std::shared_ptr<Request> request;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      cancelled_ = true;
      request = waiting_.lock();
    }
    if (request) request->settle(Request::State::cancelled);
  }

 private:
  struct Request {
    enum class State { waiting, delivered, cancelled } state = State::waiting;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::int64_t> indices;
    std::int64_t features = 0, classes = 0;
    std::string name;
    HostBatch batch;
    std::exception_ptr error;

    // The first of delivery and cancelling counts.
    void settle(State next, HostBatch delivered = {}, std::exception_ptr failure = nullptr) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (state != State::waiting) return;
      state = next;
      batch = std::move(delivered);
      error = std::move(failure);
      changed.notify_all();
    }
  };

  // On the JavaScript thread: read(indices, deliver).
  static void ask(napi_env env, napi_value function, void*, void* data) {
    const std::unique_ptr<std::shared_ptr<Request>> passed(static_cast<std::shared_ptr<Request>*>(data));
    const std::shared_ptr<Request> request = *passed;
    if (env == nullptr) return;
    try {
      const Napi::HandleScope scope(env);
      Napi::Int32Array indices = Napi::Int32Array::New(env, request->indices.size());
      for (std::size_t i = 0; i < request->indices.size(); ++i)
        indices[i] = static_cast<std::int32_t>(request->indices[i]);
      const Napi::Function deliver =
          Napi::Function::New(env, [request](const Napi::CallbackInfo& info) { return delivered(*request, info); });
      Napi::Function(env, function).Call({indices, deliver});
    } catch (...) {
      // src/source.ts does not throw: JavaScript is being terminated, or out of memory.
      fail(*request);
    }
  }

  static void fail(Request& request) {
    request.settle(Request::State::delivered, {},
                   std::make_exception_ptr(Error(ErrorKind::operation, "ERR_ONELOGIT_READ",
                                                 "Expected examples from read of " + request.name + " but it failed")));
  }

  static void delivered(Request& request, const Napi::CallbackInfo& info) {
    if (info[0].IsUndefined()) return fail(request);
    try {
      request.settle(Request::State::delivered,
                     copy_batch(info[0], info[1], static_cast<std::int64_t>(request.indices.size()), request.features,
                                request.classes, "read of " + request.name));
    } catch (...) {
      request.settle(Request::State::delivered, {}, std::current_exception());
    }
  }

  const std::string name_;
  const std::int64_t length_, features_, classes_;
  napi_threadsafe_function ask_ = nullptr;
  std::mutex mutex_;
  std::weak_ptr<Request> waiting_;
  bool cancelled_ = false;
};

std::shared_ptr<ExampleSource> Sources::add(const Napi::Object& description, std::int64_t features) {
  const std::string name = string_field(description, "name", "dataset");
  const std::int64_t length = integer_field(description, "length", 0);
  const std::int64_t classes = integer_field(description, "classes", 0);
  if (length < 1 || length > INT32_MAX)
    reject(ErrorKind::range, "ERR_ONELOGIT_RANGE", "at least one example and at most 2^31 - 1", "length of " + name,
           std::to_string(length));
  if (!description.Get("read").IsFunction())
    return std::make_shared<Memory>(
        copy_batch(description.Get("inputs"), description.Get("labels"), length, features, classes, name), features,
        classes);
  auto reader = std::make_shared<Reader>(description, name, length, features, classes);
  readers_.push_back(reader);
  return reader;
}

std::function<void()> Sources::wake() const {
  return [readers = readers_] {
    for (const auto& weak : readers)
      if (const auto reader = weak.lock()) reader->cancel();
  };
}

}  // namespace onelogit::addon
