#include "metrics/also_correct.h"

#include <string>

#include "error.h"

namespace onelogit {
namespace {

[[noreturn]] void reject(const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_ALSO_CORRECT",
              "Expected " + expected + " for alsoCorrect but received " + received);
}

}  // namespace

void check_also_correct(const AlsoCorrect& also_correct, const std::int32_t* labels, std::int64_t n, std::int64_t k) {
  const auto& [first, classes] = also_correct;
  if (first.empty() && classes.empty()) return;
  if (static_cast<std::int64_t>(first.size()) != n + 1)
    reject(std::to_string(n + 1) + " offsets", std::to_string(first.size()));
  if (first.front() != 0 || first.back() < 0 || static_cast<std::size_t>(first.back()) != classes.size())
    reject("offsets from 0 to " + std::to_string(classes.size()),
           std::to_string(first.front()) + " to " + std::to_string(first.back()));
  // All offsets before any class is read: the last one alone bounds nothing.
  for (std::int64_t i = 0; i < n; ++i)
    if (first[i] > first[i + 1])
      reject("ascending offsets", std::to_string(first[i]) + " before " + std::to_string(first[i + 1]));
  for (std::int64_t i = 0; i < n; ++i) {
    std::int32_t before = -1;
    for (const std::int32_t class_id : also_correct.of(i)) {
      const std::string where = " in the row of example " + std::to_string(i);
      if (class_id < 0 || class_id >= k)
        reject("classes from 0 to " + std::to_string(k - 1), std::to_string(class_id) + where);
      if (class_id <= before) reject("ascending classes", std::to_string(class_id) + where);
      if (class_id == labels[i]) reject("classes other than the label", std::to_string(class_id) + where);
      before = class_id;
    }
  }
}

}  // namespace onelogit
