// Examples as they come from JavaScript: arrays, copied, or a reader that is asked for them.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "addon/addon.h"
#include "metrics/also_correct.h"
#include "train/trainer.h"

namespace onelogit::addon {

// A copy of a typed array of examples: Float32Array, Uint8Array or Int32Array. A copy, because JavaScript may transfer
// or write its memory while another thread reads.
struct ExampleCopy {
  std::vector<std::byte> bytes;
  ExampleType type = ExampleType::float32;
  std::int64_t elements = 0;
};
ExampleCopy copy_examples(const Napi::Value& value, const std::string& what);

// { first, classes }, copied, not checked; undefined: none.
AlsoCorrect also_correct_from_javascript(const Napi::Value& value);

// Sources of one job, and how to unblock a thread that waits for one.
class Sources {
 public:
  // { name, length, classes, inputs, labels } or { name, length, classes, read(indices, deliver) }; examples of
  // `features` elements. Throws for wrong lengths, and for labels outside [0, classes).
  std::shared_ptr<ExampleSource> add(const Napi::Object& description, std::int64_t features);
  // For start_job. Holds nothing alive.
  std::function<void()> wake() const;

 private:
  class Reader;
  std::vector<std::weak_ptr<Reader>> readers_;
};

}  // namespace onelogit::addon
