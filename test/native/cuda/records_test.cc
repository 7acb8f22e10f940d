// Where losses are read many steps at a time: records are of the same steps as on the CPU.

#include "train/records.h"

#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

TEST_CASE("cuda training: records have every step once, whatever their length, also when cancelled") {
  for (const std::int64_t every : {1, 7, 32, 50}) {
    for (const bool cancel : {false, true}) {
      CAPTURE(every);
      CAPTURE(cancel);
      CudaBackend cuda;
      Model model(small_network(10, 5), cuda);
      const auto source = std::make_shared<StreamSource>(150, 10, 5, 2);
      if (cancel) source->delay = std::chrono::milliseconds(10);
      TrainOptions options = small_options(source);
      options.steps = 75;
      options.record_every = every;
      std::atomic<bool> cancelled{false};
      std::vector<TrainRecord> records;
      TrainHooks hooks;
      hooks.cancelled = &cancelled;
      hooks.progress = [&](const Progress&) { cancelled = cancel; };
      hooks.record = [&](const TrainRecord& record) { records.push_back(record); };
      const TrainResult result = train(model, options, hooks);
      CHECK(result.cancelled == cancel);
      std::int64_t done = 0;
      double loss = 0;
      for (std::size_t i = 1; i < records.size(); ++i) {
        CHECK(records[i].step - records[i].over_steps == done);
        CHECK((records[i].over_steps == every || i + 1 == records.size()));
        done = records[i].step;
        loss += records[i].loss * static_cast<double>(records[i].over_steps);
      }
      CHECK(done == result.steps);
      // All steps are among the last 100.
      CHECK(loss / static_cast<double>(done) == doctest::Approx(result.final_loss));
    }
  }
}

}  // namespace
}  // namespace onelogit
