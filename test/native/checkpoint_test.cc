// Checkpoints: resuming is exact, and a checkpoint of another run is refused.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "backend/cpu/cpu_backend.h"
#include "error.h"
#include "model/model_file.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

// A file of this process, removed at the end.
struct TemporaryFile {
  explicit TemporaryFile(const std::string& name)
      : path((std::filesystem::temp_directory_path() /
              ("onelogit-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)) + name))
                 .string()) {}
  ~TemporaryFile() { std::remove(path.c_str()); }
  std::string bytes() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::string path;
};

template <class F>
std::pair<std::string, std::string> failure_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {"none", ""};
}

struct Setting {
  const char* name;
  LossKind loss;
  OptimizerKind optimizer;
  bool streamed;
  AugmentationSpec augmentation = {};
};

TrainOptions options_of(const Setting& setting) {
  const std::shared_ptr<MemorySource> source =
      setting.streamed ? std::make_shared<StreamSource>(150, 8, 4, 3) : std::make_shared<MemorySource>(150, 8, 4, 3);
  source->readable = setting.streamed || setting.augmentation.any();
  TrainOptions options = small_options(source, setting.loss);
  options.augmentation = setting.augmentation;
  options.optimizer.kind = setting.optimizer;
  options.optimizer.learning_rate = 0.01;
  options.optimizer.weight_decay = 1e-3;
  options.schedule.kind = ScheduleSpec::Kind::cosine;
  options.schedule.steps = 200;
  options.schedule.warmup_steps = 10;
  if (setting.loss == LossKind::nce) {
    options.loss.noise = NoiseKind::unigram;
    options.loss.num_sampled = 3;
  }
  return options;
}

TEST_CASE("checkpoint: 100 steps and 100 more are 200 steps, bit for bit, in weights, state and results") {
  for (const Setting& setting :
       {Setting{"momentum", LossKind::batch_cross_entropy, OptimizerKind::sgd, false},
        Setting{"adam, sampled noise", LossKind::nce, OptimizerKind::adam, false},
        Setting{"adamw, streamed", LossKind::batch_max_margin, OptimizerKind::adamw, true},
        Setting{"augmented", LossKind::cross_entropy, OptimizerKind::sgd, false, {1, true, 2, 2, 2}},
        Setting{"augmented, streamed", LossKind::cross_entropy, OptimizerKind::sgd, true, {0, true, 1, 8, 1}}}) {
    CAPTURE(setting.name);
    const TemporaryFile straight_file("straight"), half_file("half"), resumed_file("resumed");
    Model straight(small_network(8, 4), cpu_backend()), half(small_network(8, 4), cpu_backend()),
        resumed(small_network(8, 4), cpu_backend());
    TrainOptions options = options_of(setting);
    options.checkpoint_path = straight_file.path;
    const TrainResult whole = train(straight, options, {});

    options.steps = 100;
    options.checkpoint_path = half_file.path;
    train(half, options, {});
    options.steps = 200;
    options.resume_path = half_file.path;
    options.checkpoint_path = resumed_file.path;
    const TrainResult rest = train(resumed, options, {});

    CHECK(same_bits(tensors_of(straight), tensors_of(resumed)));
    CHECK_FALSE(same_bits(tensors_of(straight), tensors_of(half)));
    CHECK(straight_file.bytes() == resumed_file.bytes());
    CHECK(straight_file.bytes().size() > 4000);
    CHECK(rest.steps == 200);
    CHECK(rest.final_loss == whole.final_loss);
    CHECK(rest.final_accuracy == whole.final_accuracy);
    CHECK(rest.prior_bias_applied == whole.prior_bias_applied);
  }
}

TEST_CASE("checkpoint: a cancelled run goes on where it stopped") {
  const TemporaryFile file("cancelled");
  const Setting setting{"", LossKind::batch_cross_entropy, OptimizerKind::sgd, true};
  TrainOptions options = options_of(setting);
  Model straight(small_network(8, 4), cpu_backend()), model(small_network(8, 4), cpu_backend());
  train(straight, options, {});
  options.checkpoint_path = file.path;
  std::atomic<bool> cancelled{false};
  TrainHooks hooks;
  hooks.cancelled = &cancelled;
  hooks.progress = [&](const Progress&) { cancelled = true; };
  static_cast<StreamSource&>(*options.training).delay = std::chrono::milliseconds(3);
  const TrainResult first = train(model, options, hooks);
  REQUIRE(first.cancelled);
  REQUIRE(first.steps < 200);
  static_cast<StreamSource&>(*options.training).delay = {};
  options.resume_path = file.path;
  Model resumed(small_network(8, 4), cpu_backend());
  CHECK_FALSE(train(resumed, options, {}).cancelled);
  CHECK(same_bits(tensors_of(straight), tensors_of(resumed)));
  // Cancelled before the first step: the checkpoint that is there stays.
  Model early(small_network(8, 4), cpu_backend());
  options.resume_path.clear();
  const std::string before = file.bytes();
  CHECK(train(early, options, hooks).steps == 0);
  CHECK(file.bytes() == before);
  options.resume_path = file.path;
  CHECK_FALSE(train(early, options, {}).cancelled);
  CHECK(same_bits(tensors_of(straight), tensors_of(early)));
}

TEST_CASE("checkpoint: written every n steps, with the caller's metadata and tensors") {
  const TemporaryFile file("every");
  TrainOptions options = options_of({"", LossKind::batch_cross_entropy, OptimizerKind::sgd, true});
  options.checkpoint_path = file.path;
  options.checkpoint_every = 30;
  options.steps = 100;
  options.metadata = [](const Model& model) {
    return std::map<std::string, std::string>{{"scale", std::to_string(model.preprocessing->scale)}};
  };
  options.extra_tensors = {{"names", "U8", {3}, [](const auto& sink) { sink("abc", 3); }}};
  static_cast<StreamSource&>(*options.training).fault = Fault::throws;
  static_cast<StreamSource&>(*options.training).at = 70;
  Model model(small_network(8, 4), cpu_backend());
  CHECK_THROWS(train(model, options, {}));
  const auto checkpoint = SafetensorsFile::open(file.path);
  CHECK(checkpoint.metadata().at("training.step") == "60");
  CHECK(checkpoint.metadata().at("scale") == std::to_string(1.0f));
  CHECK(checkpoint.find("names") != nullptr);
  CHECK(checkpoint.find("optimizer.0.0.weight") != nullptr);
  CHECK(checkpoint.find("1.running_var") != nullptr);
}

TEST_CASE("checkpoint: of another run, or none at all, is refused and changes nothing") {
  const TemporaryFile file("other"), broken("broken"), plain("plain");
  const Setting setting{"", LossKind::nce, OptimizerKind::sgd, false};
  TrainOptions original = options_of(setting);
  original.steps = 20;
  original.checkpoint_path = file.path;
  Model trained(small_network(8, 4), cpu_backend());
  train(trained, original, {});
  original.checkpoint_path.clear();
  original.resume_path = file.path;

  const auto code_with = [&](auto change, ModelSpec spec = small_network(8, 4)) {
    TrainOptions options = original;
    Model model(spec, cpu_backend());
    change(options, model);
    const auto before = tensors_of(model);
    const auto [code, message] = failure_of([&] { train(model, options, {}); });
    CHECK(message.find("Expected ") == 0);
    CHECK(same_bits(tensors_of(model), before));
    CHECK_FALSE(model.trained);
    return code;
  };
  const auto refused = [&](auto change) {
    return code_with([&](TrainOptions& o, Model&) { change(o); }) == "ERR_ONELOGIT_CHECKPOINT";
  };
  CHECK(refused([](TrainOptions& o) { o.batch_size = 31; }));
  CHECK(refused([](TrainOptions& o) { o.seed = 6; }));
  CHECK(refused([](TrainOptions& o) { o.augmentation = {1, true, 2, 2, 2}; }));
  CHECK(refused([](TrainOptions& o) { o.steps = 19; }));
  CHECK(refused([](TrainOptions& o) { o.loss.kind = LossKind::cross_entropy; }));
  CHECK(refused([](TrainOptions& o) { o.loss.num_sampled = 4; }));
  CHECK(refused([](TrainOptions& o) { o.loss.seed = 1; }));
  CHECK(refused([](TrainOptions& o) { o.loss.noise = NoiseKind::uniform; }));
  CHECK(refused([](TrainOptions& o) { o.loss.remove_accidental_hits = true; }));
  CHECK(refused([](TrainOptions& o) { o.optimizer.kind = OptimizerKind::adam; }));
  CHECK(refused([](TrainOptions& o) { o.optimizer.learning_rate = 0.02; }));
  CHECK(refused([](TrainOptions& o) { o.optimizer.momentum = 0; }));
  CHECK(refused([](TrainOptions& o) { o.optimizer.nesterov = true; }));
  CHECK(refused([](TrainOptions& o) { o.optimizer.clip_norm = 1; }));
  CHECK(refused([](TrainOptions& o) { o.training = std::make_shared<MemorySource>(151, 8, 4, 3); }));
  CHECK(refused([](TrainOptions& o) {
    for (std::int64_t i = 0; i < 150; ++i) o.training_indices.push_back(149 - i);
  }));
  CHECK(code_with([](TrainOptions&, Model& m) {
          m.preprocessing = Preprocessing{2.0f, {}, {}};
        }) == "ERR_ONELOGIT_CHECKPOINT");
  // Another network: a tensor's shape, or a tensor that is not there.
  ModelSpec wider = small_network(8, 4), deeper = small_network(8, 4);
  wider.layers[0].units = 17;
  deeper.layers.insert(deeper.layers.begin(), layer("dense", 8));
  const auto nothing = [](TrainOptions&, Model&) {};
  CHECK(code_with(nothing, wider) == "ERR_ONELOGIT_FORMAT");
  CHECK(code_with(nothing, deeper) == "ERR_ONELOGIT_FORMAT");

  // Not a checkpoint: a saved model, garbage, and every truncation that was tried.
  write_safetensors(plain.path, {}, {{"0.weight", "F32", {1}, [](const auto& sink) { sink("abcd", 4); }}});
  CHECK(refused([&](TrainOptions& o) { o.resume_path = plain.path; }));
  const std::string whole = file.bytes();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    std::ofstream(broken.path, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(size));
    CHECK(code_with([&](TrainOptions& o, Model&) { o.resume_path = broken.path; }) == "ERR_ONELOGIT_FORMAT");
  }
  // And the right one is taken; with nothing left to do it returns at once.
  Model same(small_network(8, 4), cpu_backend());
  const TrainResult result = train(same, original, {});
  CHECK(result.steps == 20);
  CHECK(result.final_loss > 0);
  CHECK(same_bits(tensors_of(same), tensors_of(trained)));
}

// A device that fails at the n-th copy to it from now on.
class FailingBackend : public CpuBackend {
 public:
  void upload(void* device, const void* host, std::size_t bytes) override {
    if (uploads_left > 0 && --uploads_left == 0)
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_TEST", "Expected a device that works");
    CpuBackend::upload(device, host, bytes);
  }
  int uploads_left = 0;
};

TEST_CASE("checkpoint: a failure between two tensors leaves a model that says so until one was read whole") {
  const TemporaryFile file("whole");
  const Setting setting{"", LossKind::batch_cross_entropy, OptimizerKind::adam, false};
  TrainOptions options = options_of(setting);
  options.steps = 20;
  options.checkpoint_path = file.path;
  Model trained(small_network(8, 4), cpu_backend());
  train(trained, options, {});
  options.checkpoint_path.clear();
  options.resume_path = file.path;
  FailingBackend backend;
  Model model(small_network(8, 4), backend);
  const std::vector<float> before = tensors_of(model);
  backend.uploads_left = 3;
  CHECK(failure_of([&] { train(model, options, {}); }).first == "ERR_ONELOGIT_TEST");
  CHECK(model.mixed);
  CHECK_FALSE(same_bits(tensors_of(model), before));
  CHECK_FALSE(same_bits(tensors_of(model), tensors_of(trained)));
  // Refused before anything is read: as it was.
  TrainOptions other = options;
  other.seed += 1;
  CHECK(failure_of([&] { train(model, other, {}); }).first == "ERR_ONELOGIT_CHECKPOINT");
  CHECK(model.mixed);
  train(model, options, {});
  CHECK_FALSE(model.mixed);
  CHECK(same_bits(tensors_of(model), tensors_of(trained)));
}

TEST_CASE("checkpoint: every tensor is read once before the first is replaced") {
  const TemporaryFile path("readable");
  TrainOptions options = options_of({"", LossKind::batch_cross_entropy, OptimizerKind::adam, false});
  options.steps = 20;
  options.checkpoint_path = path.path;
  Model trained(small_network(8, 4), cpu_backend());
  train(trained, options, {});
  const SafetensorsFile file = SafetensorsFile::open(path.path);
  check_readable(file, trained.tensors());
  // What was there when it was opened is not any more.
  std::filesystem::resize_file(path.path, path.bytes().size() - file.tensors().back().end + 1);
  CHECK(failure_of([&] { check_readable(file, trained.tensors()); }).first == "ERR_ONELOGIT_FILE");
}

}  // namespace
}  // namespace onelogit
