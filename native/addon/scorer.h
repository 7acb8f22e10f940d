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
#include "head/classifier_weights.h"

namespace onelogit::addon {

// A typed array of examples that a classifier takes.
struct ExampleView {
  const void* data = nullptr;
  std::size_t length = 0;
  ExampleType type = ExampleType::float32;
};

// Used on its environment's JavaScript thread only. Jobs hold the weights, never this. One JavaScript object, `owner`,
// owns it; every function keeps that object alive through a property, so the functions themselves need no finalizer:
// thousands of bound inputs a second come and go in one turn of the event loop, before any finalizer would run.
struct Scorer {
  explicit Scorer(std::shared_ptr<const ClassifierWeights> scored);
  void dispose();

  std::shared_ptr<const ClassifierWeights> weights;  // null once disposed of
  const Trunk* trunk = nullptr;                      // the same
  const ClassMatrix* matrix = nullptr;
  Trunk::Scratch scratch;
  std::vector<float> features;    // of the example asked about
  std::vector<std::int32_t> ids;  // of scoreMany, copied: shared memory may change after it was checked
  ExampleView input;              // what scoreBound reads
  napi_ref owner = nullptr;       // weak
};

// Adds to `object`:
//   score(input, classId)            → the logit
//   scoreMany(input, classIds, out)  → true; one logit for each id in `out`
//   scoreBatch(inputs, classId, out) → true; one logit for each example in `out`
//   bind(input)                      → a function: (classId) → the logit, (classIds, out) → true
//   scoreBoundTo(array)              → a function: (classId) → the logit of what the array holds at that moment
// All answer undefined for wrong arguments, and after dispose.
void add_scoring_functions(Napi::Env env, const Napi::Object& object, const std::shared_ptr<Scorer>& scorer);

// The object that owns a Scorer, while one of its functions is alive.
Napi::Object owner_of(Napi::Env env, const Scorer& scorer);

// What `bind` returns, for features that were computed elsewhere. The owner must be alive.
napi_value bound_function(napi_env env, Scorer& scorer, const float* features);

// An integer in [0, classes), or −1 for anything else.
std::int64_t class_id(napi_env env, napi_value value, std::int64_t classes);

// Looks at a typed array; false for anything else. The memory is valid until JavaScript runs again.
bool example_view(napi_env env, napi_value value, ExampleView& view);

// The logits of m examples for class c, into `out`; `cancelled` may be null. False when cancelled.
bool score_examples(const ClassifierWeights& weights, const ExampleView& examples, std::int64_t m, std::int64_t c,
                    float* out, const std::atomic<bool>* cancelled);

}  // namespace onelogit::addon
