// The training loop: order, batches, schedules, validation, progress, prior bias, errors.
#include "train/trainer.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include "allocations.h"
#include "backend/cpu/cpu_backend.h"
#include "error.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

struct Failure {
  std::string code, message;
};
template <class F>
Failure failure_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::exception& error) {
    return {"other", error.what()};
  }
  return {"none", ""};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("trainer: every loss learns separable clusters") {
  const auto source = std::make_shared<MemorySource>(300, 10, 5, 2);
  for (const LossKind kind : all_losses) {
    CAPTURE(loss_name(kind));
    Model model(small_network(10, 5), cpu_backend());
    TrainOptions options = small_options(source, kind);
    options.validation = std::make_shared<MemorySource>(100, 10, 5, 77);
    const TrainResult result = train(model, options, {});
    CHECK(result.steps == 200);
    CHECK(result.final_accuracy > 0.95);
    REQUIRE(result.validation);
    CHECK(result.validation->accuracy > 0.9);
    CHECK(std::isfinite(result.validation->loss));
    CHECK(model.trained);
  }
}

TEST_CASE("data order: every epoch is a permutation of its own, whatever the batches") {
  const std::int64_t n = 997;
  std::vector<std::int64_t> whole(static_cast<std::size_t>(3 * n));
  DataOrder(n, 8).indices(0, 3 * n, whole.data());
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> sorted(whole.begin() + epoch * n, whole.begin() + (epoch + 1) * n);
    if (epoch > 0) CHECK_FALSE(std::equal(sorted.begin(), sorted.end(), whole.begin()));
    CHECK_FALSE(std::is_sorted(sorted.begin(), sorted.end()));
    std::sort(sorted.begin(), sorted.end());
    for (std::int64_t i = 0; i < n; ++i) REQUIRE(sorted[static_cast<std::size_t>(i)] == i);
  }
  // Batches that run on over epochs, a restart in the middle, a batch longer than an epoch.
  DataOrder batches(n, 8);
  std::vector<std::int64_t> batch(128);
  for (std::int64_t first = 0; first + 128 <= 3 * n; first += 128) {
    batches.indices(first, 128, batch.data());
    REQUIRE(std::equal(batch.begin(), batch.end(), whole.begin() + first));
  }
  std::vector<std::int64_t> rest(static_cast<std::size_t>(n + 500));
  DataOrder(n, 8).indices(700, n + 500, rest.data());
  CHECK(std::equal(rest.begin(), rest.end(), whole.begin() + 700));
  std::vector<std::int64_t> other(static_cast<std::size_t>(n));
  DataOrder(n, 9).indices(0, n, other.data());
  CHECK_FALSE(std::equal(other.begin(), other.end(), whole.begin()));
  std::int64_t alone[3] = {7, 7, 7};
  DataOrder(1, 1).indices(5, 3, alone);
  CHECK(alone[0] + alone[1] + alone[2] == 0);
}

TEST_CASE("data order: each element is as likely in each place") {
  // 6000 permutations of 6: a place's count of an element is 1000 ± 29 (one standard deviation).
  int counts[6][6] = {};
  DataOrder order(6, 123);
  for (std::int64_t epoch = 0; epoch < 6000; ++epoch) {
    std::int64_t places[6];
    order.indices(epoch * 6, 6, places);
    for (int place = 0; place < 6; ++place) ++counts[place][places[place]];
  }
  double chi_square = 0;
  for (const auto& row : counts)
    for (const int count : row) chi_square += std::pow(count - 1000.0, 2) / 1000.0;
  CHECK(chi_square < 52.6);  // 25 degrees of freedom, p = 0.001
}

TEST_CASE("schedules: multiples of the learning rate") {
  ScheduleSpec constant, step, cosine, warm;
  CHECK(constant.multiple(0, 10) == 1);
  CHECK(constant.multiple(9, 10) == 1);
  step.kind = ScheduleSpec::Kind::step;
  step.every = 3;
  step.factor = 0.5;
  CHECK(step.multiple(2, 10) == 1);
  CHECK(step.multiple(3, 10) == 0.5);
  CHECK(step.multiple(6, 10) == 0.25);
  cosine.kind = ScheduleSpec::Kind::cosine;
  cosine.minimum = 0.2;
  CHECK(cosine.multiple(0, 10) == 1);
  CHECK(cosine.multiple(5, 10) == doctest::Approx(0.6));
  CHECK(cosine.multiple(10, 10) == 0.2);
  cosine.steps = 4;
  CHECK(cosine.multiple(2, 10) == doctest::Approx(0.6));
  CHECK(cosine.multiple(9, 10) == 0.2);
  warm = cosine;
  warm.steps = 0;
  warm.warmup_steps = 4;
  CHECK(warm.multiple(0, 12) == 0.25);
  CHECK(warm.multiple(3, 12) == 1);
  CHECK(warm.multiple(4, 12) == 1);  // the cosine begins here, over the eight steps that are left
  CHECK(warm.multiple(8, 12) == doctest::Approx(0.6));
  CHECK(warm.multiple(12, 12) == 0.2);
}

// What fit does, without anything around it.
void plain_steps(Model& model, const MemorySource& source, const TrainOptions& options) {
  Backend& backend = model.backend();
  const std::int64_t m = options.batch_size, features = source.features();
  const auto kernel = backend.make_loss(options.loss, model.classes(), m);
  model.plan_training(m, options.seed);
  const auto& slices = model.parameter_slices(optimizer_state_count(options.optimizer));
  DataOrder order(source.length(), options.seed);
  std::vector<std::int64_t> indices(static_cast<std::size_t>(m));
  for (std::int64_t step = 0; step < options.steps; ++step) {
    order.indices(step * m, m, indices.data());
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int64_t row = indices[static_cast<std::size_t>(i)];
      labels.push_back(source.labels[static_cast<std::size_t>(row)]);
      std::copy_n(&source.inputs[static_cast<std::size_t>(row * features)], features,
                  model.training_input() + i * features);
    }
    const auto number = static_cast<std::uint64_t>(step);
    double value = 0;
    float scale = 1;
    kernel->value_and_gradient(model.forward_training(m, number), labels.data(), m, number, &value,
                               model.output_gradient());
    model.backward(m, number);
    if (options.optimizer.clip_norm > 0)
      backend.clip_scale(slices, static_cast<float>(options.optimizer.clip_norm), nullptr, &scale);
    const double rate = options.optimizer.learning_rate * options.schedule.multiple(step, options.steps);
    backend.optimizer_step(options.optimizer, static_cast<float>(rate), number + 1, slices,
                           options.optimizer.clip_norm > 0 ? &scale : nullptr);
  }
  model.release_training();
}

TEST_CASE("trainer: a fit is its steps one after another, bit for bit") {
  const auto source = std::make_shared<MemorySource>(90, 6, 3, 2);
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw}) {
    for (const double clip_norm : {0.0, 0.1}) {
      TrainOptions options = small_options(source, LossKind::nce);
      options.loss.num_sampled = 2;
      options.optimizer.kind = kind;
      options.optimizer.clip_norm = clip_norm;
      options.schedule.kind = ScheduleSpec::Kind::cosine;
      options.schedule.warmup_steps = 5;
      options.steps = 30;
      options.prior_bias = false;
      Model fitted(small_network(6, 3), cpu_backend()), plain(small_network(6, 3), cpu_backend());
      train(fitted, options, {});
      plain_steps(plain, *source, options);
      CHECK(same_bits(tensors_of(fitted), tensors_of(plain)));
    }
  }
}

TEST_CASE("trainer: a fused last layer trains the model that logits in full do") {
  const std::int64_t classes = 150;
  const auto source = std::make_shared<MemorySource>(400, 6, classes, 2);
  const auto held_out = std::make_shared<MemorySource>(90, 6, classes, 3);
  for (const LossKind kind : all_losses)
    for (const std::int64_t sampled : {std::int64_t{0}, std::int64_t{15}}) {
      if (sampled > 0 && kind != LossKind::nce) continue;
      for (const double clip_norm : {0.0, 0.2})
        for (const std::int64_t hidden : {0, 1}) {  // without a layer before the last nothing goes back
          std::vector<std::vector<float>> tensors;
          std::vector<TrainResult> results;
          for (const HeadMemory memory : {HeadMemory::logits, HeadMemory::store, HeadMemory::recompute}) {
            if (memory == HeadMemory::recompute && clip_norm > 0) continue;
            ModelSpec spec = small_network(6, classes);
            if (hidden == 0) spec.layers = {spec.layers.back()};
            TrainOptions options = small_options(source, kind);
            options.loss.num_sampled = sampled;
            options.optimizer.momentum = 0.9;
            options.optimizer.weight_decay = 0.01;
            options.optimizer.clip_norm = clip_norm;
            options.schedule.kind = ScheduleSpec::Kind::cosine;
            options.steps = 25;
            options.memory = memory;
            options.workspace_bytes = 20'000;
            options.validation = held_out;
            options.validate_every = 10;
            Model model(spec, cpu_backend());
            results.push_back(train(model, options, {}));
            tensors.push_back(tensors_of(model));
          }
          CAPTURE(std::string(loss_name(kind)));
          CAPTURE(sampled);
          CAPTURE(clip_norm);
          CAPTURE(hidden);
          for (std::size_t n = 1; n < tensors.size(); ++n) {
            double difference = 0, norm = 0;
            for (std::size_t i = 0; i < tensors[0].size(); ++i) {
              difference += std::pow(tensors[n][i] - tensors[0][i], 2);
              norm += std::pow(tensors[0][i], 2);
            }
            CHECK(std::sqrt(difference / norm) < 2e-4);
            CHECK(results[n].final_loss == doctest::Approx(results[0].final_loss).epsilon(1e-4));
            CHECK(results[n].validation->loss == doctest::Approx(results[0].validation->loss).epsilon(1e-3));
            CHECK(results[n].validation->accuracy == doctest::Approx(results[0].validation->accuracy).epsilon(0.05));
            if (sampled > 0)
              CHECK(std::isnan(results[n].final_accuracy));
            else
              CHECK(results[n].final_accuracy == doctest::Approx(results[0].final_accuracy).epsilon(0.05));
          }
        }
    }
}

TEST_CASE("trainer: a fused run continues from its checkpoint bit for bit, whatever rests between the steps") {
  const auto source = std::make_shared<MemorySource>(200, 6, 60, 2);
  const std::string path =
      (std::filesystem::temp_directory_path() / ("onelogit-fused-" + std::to_string(::getpid()))).string();
  for (const LossKind kind : all_losses)
    for (const WeightType storage : {WeightType::float32, WeightType::bfloat16})
      for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw}) {
        const auto options_of = [&] {
          TrainOptions options = small_options(source, kind);
          if (kind == LossKind::nce) options.loss.num_sampled = 5;
          options.optimizer.kind = optimizer;
          options.optimizer.momentum = 0.9;
          options.optimizer.weight_decay = 0.01;
          options.memory = HeadMemory::recompute;
          options.checkpoint_path = path;
          options.checkpoint_every = 12;
          options.steps = 24;
          return options;
        };
        ModelSpec spec = small_network(6, 60);
        spec.layers.back().storage = storage;
        // A checkpoint brings resting rows up to date, which rounds: so the whole run has one at the same step.
        Model whole(spec, cpu_backend()), first(spec, cpu_backend()), second(spec, cpu_backend());
        train(whole, options_of(), {});
        std::atomic<bool> stop{false};
        TrainOptions options = options_of();
        options.metadata = [&](const Model&) {
          stop = true;
          return std::map<std::string, std::string>{};
        };
        CAPTURE(std::string(loss_name(kind)));
        TrainHooks hooks;
        hooks.cancelled = &stop;
        CHECK(train(first, options, hooks).steps == 12);
        options = options_of();
        options.resume_path = path;
        train(second, options, {});
        CHECK(same_bits(tensors_of(second), tensors_of(whole)));
      }
  std::filesystem::remove(path);
}

TEST_CASE("trainer: what the last layer's options cannot be together is an error before any work") {
  const auto source = std::make_shared<MemorySource>(50, 6, 3, 2);
  ModelSpec spec = small_network(6, 3);
  spec.layers.back().storage = WeightType::bfloat16;
  Model rounded(spec, cpu_backend()), model(small_network(6, 3), cpu_backend());
  TrainOptions options = small_options(source);
  options.memory = HeadMemory::logits;
  CHECK(failure_of([&] { train(rounded, options, {}); }).code == "ERR_ONELOGIT_RANGE");
  options.memory = HeadMemory::recompute;
  options.optimizer.clip_norm = 1;
  CHECK(failure_of([&] { train(model, options, {}); }).code == "ERR_ONELOGIT_RANGE");
  options.loss.kind = LossKind::max_margin;  // few rows have a gradient
  CHECK(failure_of([&] { train(model, options, {}); }).code == "none");
}

TEST_CASE("trainer: the schedule reaches the optimizer") {
  const auto source = std::make_shared<MemorySource>(64, 6, 3, 2);
  const auto moved = [&](double factor) {
    Model model(small_network(6, 3), cpu_backend());
    TrainOptions options = small_options(source);
    options.steps = 20;
    options.optimizer.momentum = 0;
    options.schedule.kind = ScheduleSpec::Kind::step;
    options.schedule.every = 10;
    options.schedule.factor = factor;
    double last_rate = 0;
    train(model, options, {[&](const Progress& progress) { last_rate = progress.learning_rate; }});
    CHECK(last_rate == doctest::Approx(0.05 * factor));
    std::vector<float> parameters;
    for (const NamedTensor& tensor : model.tensors())
      if (tensor.trainable) parameters.push_back(tensor.values()[0]);
    return parameters;
  };
  Model ten(small_network(6, 3), cpu_backend());
  TrainOptions options = small_options(source);
  options.steps = 10;
  options.optimizer.momentum = 0;
  train(ten, options, {});
  std::vector<float> expected;
  for (const NamedTensor& tensor : ten.tensors())
    if (tensor.trainable) expected.push_back(tensor.values()[0]);
  const auto still = moved(1e-30);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(still[i] == expected[i]);
  CHECK(moved(1.0) != expected);
}

TEST_CASE("trainer: a reader and memory give the same model, with and without a part set aside") {
  const auto memory = std::make_shared<MemorySource>(210, 8, 4, 3);
  std::vector<std::int64_t> part, rest;
  for (std::int64_t i = 0; i < 210; ++i) (i % 5 == 0 ? rest : part).push_back(i);
  for (const bool split : {false, true}) {
    const auto stream = std::make_shared<StreamSource>(210, 8, 4, 3);
    std::vector<std::vector<float>> results;
    std::vector<double> losses;
    for (const std::shared_ptr<ExampleSource>& source :
         {std::shared_ptr<ExampleSource>(memory), std::shared_ptr<ExampleSource>(stream)}) {
      Model model(small_network(8, 4), cpu_backend());
      TrainOptions options = small_options(source);
      options.steps = 60;
      if (split) {
        options.training_indices = part;
        options.validation = source;
        options.validation_indices = rest;
        options.validate_every = 7;
      }
      const TrainResult result = train(model, options, {});
      results.push_back(tensors_of(model));
      losses.push_back(split ? result.validation->loss : result.final_loss);
    }
    CHECK(same_bits(results[0], results[1]));
    CHECK(losses[0] == losses[1]);
    CHECK(stream->overlaps == 0);
    // 60 batches and nothing past the last one; ⌈42/32⌉ passes at each of nine validations.
    CHECK(stream->reads == (split ? 60 + 2 * 9 : 60));
  }
}

TEST_CASE("trainer: only the given part of the data is used") {
  const auto source = std::make_shared<MemorySource>(100, 6, 3, 3);
  std::vector<std::int64_t> part;
  for (std::int64_t i = 0; i < 50; ++i) part.push_back(i);
  for (std::int64_t i = 50 * 6; i < 100 * 6; ++i) source->inputs[static_cast<std::size_t>(i)] = nan_value;
  Model model(small_network(6, 3), cpu_backend());
  TrainOptions options = small_options(source);
  options.training_indices = part;
  options.validation = source;
  options.validation_indices = {3, 1, 4};
  CHECK(failure_of([&] { train(model, options, {}); }).code == "none");
}

TEST_CASE("trainer: validation loss is the mean over examples, batch losses by batches of the training size") {
  const auto source = std::make_shared<MemorySource>(64, 6, 3, 2);
  const auto held_out = std::make_shared<MemorySource>(75, 6, 3, 9);
  for (const LossKind kind : all_losses) {
    CAPTURE(loss_name(kind));
    Model model(small_network(6, 3), cpu_backend());
    TrainOptions options = small_options(source, kind);
    options.steps = 15;
    options.validation = held_out;
    const ValidationResult result = *train(model, options, {}).validation;
    std::vector<float> logits(75 * 3);
    model.predict(held_out->inputs.data(), ExampleType::float32, 75, Output::logits, logits.data(), nullptr);
    const bool batch_loss = kind == LossKind::batch_cross_entropy || kind == LossKind::batch_max_margin;
    double expected = 0;
    const std::int64_t rows = batch_loss ? 32 : 75;
    const auto kernel = cpu_backend().make_loss(options.loss, 3, rows);
    for (std::int64_t first = 0; first < 75; first += rows) {
      const std::int64_t m = std::min<std::int64_t>(rows, 75 - first);
      double value = 0;
      kernel->value_and_gradient(logits.data() + first * 3, held_out->labels.data() + first, m, 0, &value, nullptr);
      expected += value * static_cast<double>(m) / 75;
    }
    CHECK(result.loss == doctest::Approx(expected).epsilon(1e-5));
    std::int64_t correct = 0;
    for (std::size_t i = 0; i < 75; ++i)
      correct += std::max_element(&logits[i * 3], &logits[i * 3] + 3) - &logits[i * 3] == held_out->labels[i];
    CHECK(result.accuracy == doctest::Approx(static_cast<double>(correct) / 75));
  }
}

TEST_CASE("trainer: validation changes nothing") {
  const auto source = std::make_shared<MemorySource>(64, 6, 3, 2);
  Model plain(small_network(6, 3), cpu_backend()), validated(small_network(6, 3), cpu_backend());
  TrainOptions options = small_options(source);
  options.steps = 40;
  train(plain, options, {});
  options.validation = std::make_shared<MemorySource>(75, 6, 3, 9);
  options.validate_every = 3;
  std::int64_t reports = 0;
  train(validated, options, {[&](const Progress& progress) { reports += progress.validation.has_value(); }});
  CHECK(reports == 14);  // every third step, and after the last
  CHECK(same_bits(tensors_of(plain), tensors_of(validated)));
}

TEST_CASE("trainer: progress adds up, is rare, and comes once at the end") {
  const auto source = std::make_shared<StreamSource>(64, 6, 3, 2);
  source->delay = std::chrono::milliseconds(4);
  Model model(small_network(6, 3), cpu_backend());
  TrainOptions options = small_options(source);
  options.steps = 80;
  std::vector<Progress> reports;
  const TrainResult result = train(model, options, {[&](const Progress& progress) { reports.push_back(progress); }});
  REQUIRE(reports.size() >= 2);
  CHECK(static_cast<double>(reports.size()) <= result.seconds * 10 + 1);
  double weighted_loss = 0, weighted_accuracy = 0;
  std::int64_t before = 0;
  for (const Progress& report : reports) {
    CHECK(report.step > before);
    CHECK(report.steps == 80);
    CHECK(report.examples_per_second > 0);
    weighted_loss += report.loss * static_cast<double>(report.step - before) / 80;
    weighted_accuracy += report.accuracy * static_cast<double>(report.step - before) / 80;
    before = report.step;
  }
  CHECK(reports.back().step == 80);
  CHECK(reports.back().seconds_left == 0);
  CHECK(reports.front().seconds_left > 0);
  CHECK(weighted_loss == doctest::Approx(result.final_loss));  // all 80 steps are among the last 100
  CHECK(weighted_accuracy == doctest::Approx(result.final_accuracy));
}

TEST_CASE("trainer: a step of fit allocates nothing") {
  const auto source = std::make_shared<MemorySource>(50, 6, 3, 2);
  const auto allocations_of = [&](std::int64_t steps) {
    Model model(small_network(6, 3), cpu_backend());
    TrainOptions options = small_options(source);
    options.optimizer.clip_norm = 1;
    options.steps = steps;
    const std::int64_t before = allocations();
    train(model, options, {});
    return allocations() - before;
  };
  allocations_of(20);
  CHECK(allocations_of(400) == allocations_of(20));
}

TEST_CASE("trainer: NaN in the data is an error at its step that names the example, for every loss") {
  for (const LossKind kind : all_losses) {
    CAPTURE(loss_name(kind));
    for (const float value : {nan_value, std::numeric_limits<float>::infinity()}) {
      const auto source = std::make_shared<MemorySource>(320, 6, 3, 2);
      source->inputs[200 * 6 + 4] = value;
      std::vector<std::int64_t> order(320);
      DataOrder(320, 5).indices(0, 320, order.data());
      const auto position = std::find(order.begin(), order.end(), 200) - order.begin();
      const std::string step = "step " + std::to_string(position / 32 + 1) + " ";
      Model model(small_network(6, 3), cpu_backend());
      const Failure failure = failure_of([&] { train(model, small_options(source, kind), {}); });
      CHECK(failure.code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
      CHECK(contains(failure.message, step));
      CHECK(contains(failure.message, "example 200 "));
      // The batch has left no trace, running statistics included.
      for (const float v : tensors_of(model)) REQUIRE(std::isfinite(v));
    }
  }
}

// Like a device with a queue: every download is a wait, so losses are read together.
struct QueuedBackend final : CpuBackend {
  std::string_view name() const override { return "queued"; }
  void download(void* host, const void* device, std::size_t bytes) override {
    ++downloads;
    CpuBackend::download(host, device, bytes);
  }
  std::int64_t downloads = 0;
};

TEST_CASE(
    "trainer: where reading waits, losses are read together, with the same results, and NaN is found within 32 steps") {
  const auto source = std::make_shared<MemorySource>(320, 6, 3, 2);
  TrainOptions options = small_options(source);
  options.steps = 100;
  QueuedBackend queued;
  Model deferred(small_network(6, 3), queued), direct(small_network(6, 3), cpu_backend());
  const TrainResult expected = train(direct, options, {});
  queued.downloads = 0;
  const TrainResult result = train(deferred, options, {});
  // Two reads per 32 steps, and the tensors once at the end.
  CHECK(queued.downloads == 4 + static_cast<std::int64_t>(deferred.tensors().size()));
  CHECK(same_bits(tensors_of(direct), tensors_of(deferred)));
  CHECK(result.final_loss == expected.final_loss);
  CHECK(result.final_accuracy == expected.final_accuracy);

  source->inputs[200 * 6] = nan_value;
  std::vector<std::int64_t> order(320);
  DataOrder(320, 5).indices(0, 320, order.data());
  const auto position = std::find(order.begin(), order.end(), 200) - order.begin();
  Model broken(small_network(6, 3), queued);
  const Failure failure = failure_of([&] { train(broken, options, {}); });
  CHECK(failure.code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
  CHECK(contains(failure.message, "step " + std::to_string(position / 32 + 1) + " "));
  CHECK(contains(failure.message, "example 200 "));
}

TEST_CASE("trainer: where losses are read together, a batch that is gone is read again for the example's name") {
  QueuedBackend queued;
  const auto fail = [&](const std::shared_ptr<StreamSource>& stream, const AugmentationSpec& augmentation) {
    stream->inputs[10 * 6] = nan_value;
    TrainOptions options = small_options(stream);
    options.augmentation = augmentation;
    Model model(small_network(6, 3), queued);
    const Failure failure = failure_of([&] { train(model, options, {}); });
    CHECK(failure.code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
    return failure.message;
  };
  const auto stream = std::make_shared<StreamSource>(64, 6, 3, 2);
  CHECK(contains(fail(stream, {}), "example 10 "));
  CHECK(stream->overlaps == 0);
  AugmentationSpec augmentation;
  augmentation.flip = true;
  augmentation.height = 1;
  augmentation.width = 3;
  augmentation.channels = 2;
  CHECK(contains(fail(std::make_shared<StreamSource>(64, 6, 3, 2), augmentation), "example 10 "));
  // A source that cannot be read again hides the example, and nothing else. 32 steps and one that is read ahead.
  const auto gone = std::make_shared<StreamSource>(64, 6, 3, 2);
  gone->fault = Fault::throws;
  gone->at = 33;
  CHECK(contains(fail(gone, {}), "lower learningRate"));
}

// A device that fails in the first update, and for good.
struct FailingBackend final : CpuBackend {
  void optimizer_step(const OptimizerSpec&, float, std::uint64_t, std::span<const ParameterSlice>,
                      const float*) override {
    failed = true;
    refuse();
  }
  void zero(void* memory, std::size_t bytes) override {
    if (failed) refuse();
    CpuBackend::zero(memory, bytes);
  }
  [[noreturn]] static void refuse() { throw Error(ErrorKind::operation, "ERR_ONELOGIT_CUDA", "the device is gone"); }
  bool failed = false;
};

TEST_CASE("trainer: a device that fails for good is an error, whatever is still to be put in order") {
  FailingBackend backend;
  Model model(small_network(6, 3), backend);
  const TrainOptions options =
      small_options(std::make_shared<MemorySource>(50, 6, 3, 2), LossKind::binary_cross_entropy);
  CHECK(failure_of([&] { train(model, options, {}); }).code == "ERR_ONELOGIT_CUDA");
}

TEST_CASE("trainer: NaN in a streamed batch and in validation data names the example too") {
  const auto stream = std::make_shared<StreamSource>(64, 6, 3, 2);
  stream->inputs[10 * 6] = nan_value;
  Model model(small_network(6, 3), cpu_backend());
  const Failure failure = failure_of([&] { train(model, small_options(stream), {}); });
  CHECK(failure.code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
  CHECK(contains(failure.message, "example 10 "));

  TrainOptions options = small_options(std::make_shared<MemorySource>(64, 6, 3, 2));
  options.steps = 5;
  options.validation = stream;
  Model other(small_network(6, 3), cpu_backend());
  const Failure validation = failure_of([&] { train(other, options, {}); });
  CHECK(validation.code == "ERR_ONELOGIT_NOT_FINITE");
  CHECK(contains(validation.message, "example 10"));
}

TEST_CASE("trainer: divergence stops with advice, also when only the last update shows it") {
  const auto source = std::make_shared<MemorySource>(64, 6, 3, 2);
  TrainOptions options = small_options(source, LossKind::cross_entropy);
  options.optimizer.learning_rate = 1e38;
  Model model(small_network(6, 3), cpu_backend());
  const Failure failure = failure_of([&] { train(model, options, {}); });
  CHECK(failure.code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
  CHECK(contains(failure.message, "lower learningRate (1e+38"));
  CHECK(contains(failure.message, "clipNorm"));

  // One step: its loss is finite, the weights after it are not.
  options.steps = 1;
  options.optimizer.weight_decay = 1e20;
  options.checkpoint_path = (std::filesystem::temp_directory_path() / "onelogit-never-written.safetensors").string();
  Model other(small_network(6, 3), cpu_backend());
  const Failure last = failure_of([&] { train(other, options, {}); });
  CHECK(last.code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
  CHECK(contains(last.message, "weight"));
  CHECK_FALSE(std::filesystem::exists(options.checkpoint_path));
}

TEST_CASE("trainer: sources that misbehave give their own error") {
  const auto run = [](Fault fault, std::int64_t at) {
    const auto source = std::make_shared<StreamSource>(64, 6, 3, 2);
    source->fault = fault;
    source->at = at;
    Model model(small_network(6, 3), cpu_backend());
    return failure_of([&] {
      const TrainResult result = train(model, small_options(source), {});
      CHECK(result.cancelled == (fault == Fault::cancelled));
      CHECK(result.steps == (fault == Fault::cancelled ? at : 200));
    });
  };
  for (const std::int64_t at : {0, 1, 6}) {
    CHECK(run(Fault::none, at).code == "none");
    CHECK(run(Fault::cancelled, at).code == "none");
    CHECK(run(Fault::throws, at).message == "the disk is gone");
    CHECK(run(Fault::bad_label, at).code == "ERR_ONELOGIT_LABEL_RANGE");
    CHECK(run(Fault::few_inputs, at).code == "ERR_ONELOGIT_BATCH");
    CHECK(run(Fault::few_labels, at).code == "ERR_ONELOGIT_BATCH");
  }
}

TEST_CASE("trainer: impossible options are errors before any step") {
  const auto source = std::make_shared<MemorySource>(64, 6, 3, 2);
  Model model(small_network(6, 3), cpu_backend());
  const auto before = tensors_of(model);
  const auto code = [&](auto change) {
    TrainOptions options = small_options(source);
    change(options);
    const Failure failure = failure_of([&] { train(model, options, {}); });
    CHECK(contains(failure.message, "Expected "));
    return failure.code;
  };
  CHECK(code([](TrainOptions& o) { o.steps = 0; }) == "ERR_ONELOGIT_RANGE");
  CHECK(code([](TrainOptions& o) { o.batch_size = 0; }) == "ERR_ONELOGIT_RANGE");
  CHECK(code([](TrainOptions& o) { o.batch_size = 1; }) == "ERR_ONELOGIT_BATCH_SIZE");
  CHECK(code([](TrainOptions& o) { o.steps = std::int64_t{1} << 62; }) == "ERR_ONELOGIT_RANGE");
  CHECK(code([](TrainOptions& o) { o.training_indices = {64}; }) == "ERR_ONELOGIT_RANGE");
  CHECK(code([](TrainOptions& o) { o.training_indices = {-1}; }) == "ERR_ONELOGIT_RANGE");
  CHECK(code([](TrainOptions& o) { o.training = std::make_shared<MemorySource>(9, 7, 3, 1); }) == "ERR_ONELOGIT_SHAPE");
  CHECK(code([](TrainOptions& o) { o.training = std::make_shared<MemorySource>(9, 6, 4, 1); }) ==
        "ERR_ONELOGIT_CLASSES");
  CHECK(code([](TrainOptions& o) { o.training = std::make_shared<MemorySource>(0, 6, 3, 1); }) ==
        "ERR_ONELOGIT_LENGTH");
  CHECK(code([](TrainOptions& o) { o.validation = std::make_shared<MemorySource>(9, 7, 3, 1); }) ==
        "ERR_ONELOGIT_SHAPE");
  CHECK(code([](TrainOptions& o) {
          auto bad = std::make_shared<MemorySource>(9, 6, 3, 1);
          bad->labels[8] = -1;
          o.training = bad;
        }) == "ERR_ONELOGIT_LABEL_RANGE");
  CHECK(code([](TrainOptions& o) { o.resume_path = "no such file"; }) == "ERR_ONELOGIT_FILE");
  CHECK(same_bits(tensors_of(model), before));
  CHECK_FALSE(model.trained);
}

TEST_CASE("trainer: a batch may be longer than the data, and data of one example serves a model without batchNorm") {
  const auto source = std::make_shared<MemorySource>(5, 6, 3, 2);
  Model model(small_network(6, 3), cpu_backend());
  CHECK(train(model, small_options(source), {}).steps == 200);
  Model linear({{6}, {layer("dense", 3)}, 0}, cpu_backend());
  TrainOptions options = small_options(std::make_shared<MemorySource>(1, 6, 3, 2));
  options.batch_size = 1;
  CHECK(train(linear, options, {}).final_accuracy == 1.0);
}

TEST_CASE("trainer: preprocessing is fixed by the type of the first data") {
  struct Bytes final : ExampleSource {
    std::int64_t length() const override { return 64; }
    std::int64_t features() const override { return 6; }
    std::int64_t classes() const override { return 3; }
    bool read(const std::int64_t* indices, std::int64_t count, HostBatch& batch) override {
      batch.type = ExampleType::uint8;
      batch.inputs.resize(static_cast<std::size_t>(count * 6));
      batch.labels.resize(static_cast<std::size_t>(count));
      for (std::int64_t i = 0; i < count; ++i) {
        batch.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(indices[i] % 3);
        for (std::int64_t j = 0; j < 6; ++j)
          batch.inputs[static_cast<std::size_t>(i * 6 + j)] = static_cast<std::byte>(indices[i] % 3 * 80 + j);
      }
      return true;
    }
  };
  Model model(small_network(6, 3), cpu_backend());
  TrainOptions options = small_options(std::make_shared<Bytes>());
  CHECK(train(model, options, {}).final_accuracy > 0.99);
  REQUIRE(model.preprocessing);
  CHECK(model.preprocessing->scale == 1.0f / 255.0f);
  // Kept by a later fit on other data.
  train(model, small_options(std::make_shared<MemorySource>(64, 6, 3, 2)), {});
  CHECK(model.preprocessing->scale == 1.0f / 255.0f);
  Model floats(small_network(6, 3), cpu_backend());
  train(floats, small_options(std::make_shared<MemorySource>(64, 6, 3, 2)), {});
  CHECK(floats.preprocessing->scale == 1.0f);
}

std::vector<float> bias_of(const Model& model) {
  return {model.class_bias()->values(), model.class_bias()->values() + model.classes()};
}

TEST_CASE("trainer: the prior bias goes into an all-zero bias of a model that was never trained, and nowhere else") {
  const auto source = std::make_shared<MemorySource>(64, 6, 3, 2);
  TrainOptions options = small_options(source, LossKind::binary_cross_entropy);
  options.steps = 1;
  options.optimizer.learning_rate = 0;  // shows what training started from
  const auto expected = prior_bias(options.loss, 3);
  REQUIRE(expected.size() == 3);

  Model model(small_network(6, 3), cpu_backend());
  CHECK(train(model, options, {}).prior_bias_applied);
  CHECK(bias_of(model) == expected);

  Model zeros(small_network(6, 3), cpu_backend());
  options.prior_bias = false;
  CHECK_FALSE(train(zeros, options, {}).prior_bias_applied);
  CHECK(bias_of(zeros) == std::vector<float>(3, 0.0f));
  options.prior_bias = true;
  CHECK_FALSE(train(zeros, options, {}).prior_bias_applied);  // trained by now
  CHECK(bias_of(zeros) == std::vector<float>(3, 0.0f));

  Model set(small_network(6, 3), cpu_backend());
  set.class_bias()->values()[1] = 0.5f;
  CHECK_FALSE(train(set, options, {}).prior_bias_applied);

  // Losses without a prior; and a run that fails before its first update leaves the model as it was.
  Model other(small_network(6, 3), cpu_backend());
  TrainOptions plain = small_options(source);
  CHECK_FALSE(train(other, plain, {}).prior_bias_applied);
  const auto bad = std::make_shared<MemorySource>(32, 6, 3, 2);
  bad->inputs[0] = nan_value;
  Model failed(small_network(6, 3), cpu_backend());
  options.training = bad;
  CHECK(failure_of([&] { train(failed, options, {}); }).code == "ERR_ONELOGIT_LOSS_NOT_FINITE");
  CHECK(bias_of(failed) == std::vector<float>(3, 0.0f));
  CHECK_FALSE(failed.trained);
}

TEST_CASE("trainer: unigram noise counts the labels that are trained on, streamed or not") {
  std::vector<std::vector<float>> biases;
  for (const bool streamed : {false, true}) {
    const std::shared_ptr<MemorySource> source =
        streamed ? std::make_shared<StreamSource>(300, 6, 3, 2) : std::make_shared<MemorySource>(300, 6, 3, 2);
    TrainOptions options = small_options(source, LossKind::nce);
    options.loss.noise = NoiseKind::unigram;
    options.steps = 1;
    options.optimizer.learning_rate = 0;
    for (std::int64_t i = 0; i < 290; ++i)
      if (i % 2 == 0 || source->labels[static_cast<std::size_t>(i)] == 1) options.training_indices.push_back(i);
    double counts[3] = {};
    for (const std::int64_t i : options.training_indices) ++counts[source->labels[static_cast<std::size_t>(i)]];
    Model model(small_network(6, 3), cpu_backend());
    CHECK(train(model, options, {}).prior_bias_applied);
    const auto n = static_cast<double>(options.training_indices.size());
    for (std::size_t j = 0; j < 3; ++j)
      CHECK(bias_of(model)[j] == doctest::Approx(std::log((counts[j] + 1) / (n + 3))).epsilon(1e-6));
  }
}

TEST_CASE("trainer: cancelling stops after the step and returns") {
  const auto source = std::make_shared<StreamSource>(64, 6, 3, 2);
  source->delay = std::chrono::milliseconds(5);
  std::atomic<bool> cancelled{false};
  Model model(small_network(6, 3), cpu_backend());
  TrainHooks hooks;
  hooks.cancelled = &cancelled;
  hooks.progress = [&](const Progress& progress) { cancelled = progress.step > 0; };
  const TrainResult result = train(model, small_options(source), hooks);
  CHECK(result.cancelled);
  CHECK(result.steps > 0);
  CHECK(result.steps < 200);
  for (const float value : tensors_of(model)) REQUIRE(std::isfinite(value));
}

}  // namespace
}  // namespace onelogit
