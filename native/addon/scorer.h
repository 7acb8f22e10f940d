// The functions of one classifier in one environment that answer at once. They are raw Node-API with what they need as
// callback data: a wrapped method would cost as much as the dot product.
//
// They check what memory safety rests on and answer `undefined` to anything wrong; src/classifier.ts then finds out
// what it was and says so. Nothing on the way to an answer allocates native memory.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/addon.h"
#include "head/shared_weights.h"

namespace onelogit::addon {

// A typed array of examples that a classifier takes.
struct ExampleView {
  const void* data = nullptr;
  std::size_t length = 0;
  ExampleType type = ExampleType::float32;
};

struct Scorer;

// One generation of weights as one classifier answers from it. A bound input holds on to its own, past a reload.
struct Scored {
  Scored(Scorer& of, std::shared_ptr<const Generation> from);
  void use(std::vector<float> calibrated_thresholds, CalibrationRecord record);
  // What the thresholds were chosen by.
  const CalibrationRecord& calibration() const {
    return calibrated.empty() ? generation->calibration : calibrated_record;
  }
  // Of each class; empty: not calibrated.
  const std::vector<float>& all_thresholds() const { return calibrated.empty() ? generation->thresholds : calibrated; }
  void dispose();

  Scorer& scorer;
  std::shared_ptr<const Generation> generation;  // null once disposed of
  const Trunk* trunk;                            // the same
  const ClassMatrix* matrix;
  const float* thresholds;        // null: not calibrated
  std::vector<float> calibrated;  // here, instead of the file's
  CalibrationRecord calibrated_record;
  napi_ref holder = nullptr;  // weak: the JavaScript object that bound inputs keep alive, while there is one
};

// Used on its environment's JavaScript thread only. Jobs hold the weights, never this. One JavaScript object, `owner`,
// owns it; every function keeps that object, or a Scored's holder, alive through a property, so the functions
// themselves need no finalizer: thousands of bound inputs a second come and go in one turn of the event loop, before
// any finalizer would run.
struct Scorer : std::enable_shared_from_this<Scorer> {
  explicit Scorer(std::shared_ptr<SharedWeights> weights);
  // Moves on to the generation that is in use now.
  void refresh();
  void dispose();

  // False once disposed of. Every question begins with it: `matrix` and `trunk` are then the latest.
  bool ready() {
    if (latest->load(std::memory_order_acquire) != number) refresh();
    return matrix != nullptr;
  }

  const std::atomic<std::uint64_t>* latest;  // of `shared`
  std::uint64_t number = 0;                  // of what is below
  const Trunk* trunk = nullptr;              // null once disposed of
  const ClassMatrix* matrix = nullptr;
  std::shared_ptr<Scored> now;
  std::vector<std::weak_ptr<Scored>> earlier;  // those that bound inputs may hold
  std::shared_ptr<SharedWeights> shared;
  Trunk::Scratch scratch;
  std::vector<float> features;    // of the example asked about
  std::vector<std::int32_t> ids;  // of scoreMany, copied: shared memory may change after it was checked
  ExampleView input;              // what scoreBound reads
  napi_ref owner = nullptr;       // weak
};

// The generation in use. Throws ERR_ONELOGIT_DISPOSED, naming `what`.
std::shared_ptr<const Generation> generation_of(Scorer& scorer, const char* what);
[[noreturn]] void throw_disposed(const char* what);
[[noreturn]] void throw_cancelled(const char* what);

// Adds to `object`:
//   score(input, classId)            → the logit
//   scoreFloat32(input, classId)     → the same where the caller knows that the input is a Float32Array: faster
//   matches(input, classId)          → whether it reaches the class's threshold; undefined without thresholds
//   scoreMany(input, classIds, out)  → true; one logit for each id in `out`
//   scoreManyFloat32(…)              → the same where it knows that of all three
//   scoreBatch(inputs, classId, out) → true; one logit for each example in `out`
//   bind(input)                      → a function: (classId) → the logit, (classId, anything) → whether it matches,
//                                      (classIds, out) → true
//   scoreBoundTo(array)              → a function: (classId) → the logit of what the array holds at that moment
// All answer undefined for wrong arguments, and after dispose; those of `scoreMany` and `scoreBatch` false where `out`
// is memory of the examples.
void add_scoring_functions(Napi::Env env, const Napi::Object& object, const std::shared_ptr<Scorer>& scorer);

// The object that owns a Scorer, while one of its functions is alive.
Napi::Object owner_of(Napi::Env env, const Scorer& scorer);

// What `bind` returns, for features that were computed elsewhere from that generation. The scorer must be alive.
napi_value bound_function(napi_env env, const std::shared_ptr<Scored>& scored, const float* features);

// An integer in [0, classes), or −1 for anything else.
std::int64_t class_id(napi_env env, napi_value value, std::int64_t classes);

// Looks at a typed array; false for anything else. The memory is valid until JavaScript runs again.
bool example_view(napi_env env, napi_value value, ExampleView& view);

// The logits of m examples for class c, into `out`; `cancelled` may be null. False when cancelled.
bool score_examples(const ClassifierWeights& weights, const ExampleView& examples, std::int64_t m, std::int64_t c,
                    float* out, const std::atomic<bool>* cancelled);

}  // namespace onelogit::addon
