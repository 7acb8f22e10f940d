// Weights that several classifiers answer from, in any threads, and that can be replaced while they do.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "head/classifier_weights.h"

namespace onelogit {

// What thresholds were chosen by. It is kept in their file, and tells which classes had too few examples for a
// threshold of their own.
struct CalibrationRecord {
  std::string target;                  // JSON of src/calibration.ts; empty: not known
  std::vector<std::int32_t> examples;  // of each class; empty: not known
};

// What a classifier answers from at one time, and all that belongs to it: a score, its threshold and the name of its
// class are always of the same generation. Immutable once it is shared.
struct Generation {
  std::shared_ptr<const ClassifierWeights> weights;
  std::vector<float> thresholds;  // of each class; empty: not calibrated
  CalibrationRecord calibration;  // of these thresholds
  std::string metadata;           // JSON of src/metadata.ts
  // UTF-8 of all class names and k + 1 int64 offsets into it; both empty: no names.
  std::vector<std::byte> name_bytes, name_offsets;
  // What stays open for its identity's sake: while it is, no other file has its inode.
  std::vector<std::shared_ptr<const SafetensorsFile>> open_files;
  const std::uint64_t number = next_number();  // never 0, never twice in a process

  // The last one to let go of gigabytes, which takes the system a while, leaves that to another thread.
  static std::shared_ptr<Generation> shared(Generation described);

 private:
  static std::uint64_t next_number();
};

// One copy for the whole process. Whoever opens the same key while somebody has it gets the same object; replacing its
// generation moves all of them, each at its next question.
class SharedWeights {
 public:
  enum class Thresholds { optional, required };
  using Load = std::function<std::shared_ptr<const Generation>()>;

  // To be called before a file is opened. Of two replacements, that of the file opened later stays.
  static std::uint64_t next_order();

  // The weights under `key`: which file, and how they are kept. `load` is called by the first only; the others wait for
  // it. `loaded` says whether it was called here.
  static std::shared_ptr<SharedWeights> open(const std::string& key, std::uint64_t order, const Load& load,
                                             bool& loaded);
  // Weights of a model in memory, under no key.
  static std::shared_ptr<SharedWeights> alone(std::shared_ptr<const Generation> generation);

  // The generation in use. `shared` becomes what it was merged into by `replace`, if it was.
  static std::shared_ptr<const Generation> current(std::shared_ptr<SharedWeights>& shared);

  // Replaces the generation by the one under `key`: loaded, or that of another object which has it already, with which
  // this one is then one. Replaces nothing if it has that key, or a file opened later. Throws what `load` throws, and
  // ERR_ONELOGIT_RELOAD unless classes, features and trunk are as before, or without thresholds where they are
  // required; the old generation then stays. One replacement of an object at a time, others wait.
  static void replace(std::shared_ptr<SharedWeights> shared, const std::string& key, std::uint64_t order,
                      const Load& load, Thresholds thresholds = Thresholds::optional);

  // The number of the current generation, which is all that a question has to look at.
  const std::atomic<std::uint64_t>& number() const { return number_; }

 private:
  void set(std::shared_ptr<const Generation> generation, const std::string& key, std::uint64_t order);
  static std::shared_ptr<SharedWeights> find(const std::string& key);
  static void follow(std::shared_ptr<SharedWeights>& shared);
  static void forget(const std::string& key, const SharedWeights* shared);
  static void merge(const std::shared_ptr<SharedWeights>& shared, const std::shared_ptr<SharedWeights>& other);

  alignas(64) std::atomic<std::uint64_t> number_{0};
  // The rest is guarded by the lock of all of them, which nobody holds while anything is read or freed.
  alignas(
      64) std::shared_ptr<const Generation> current_;   // null while it is loaded for the first time, and once merged
  std::shared_ptr<SharedWeights> merged_into_;          // which is not merged itself
  std::vector<std::weak_ptr<SharedWeights>> absorbed_;  // which were merged into this one
  std::string key_;
  std::uint64_t order_ = 0;
  bool replacing_ = false;
};

}  // namespace onelogit
