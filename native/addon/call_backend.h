// Backends as the addon takes them, and the one of functions that compute once and return.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "addon/addon.h"
#include "backend/backend.h"

namespace onelogit::addon {

// select_backend, where jobs may use it.
inline std::shared_ptr<Backend> backend_on(const std::string& device, Precision precision = Precision::float32) {
  std::shared_ptr<Backend> backend = select_backend(device, precision).backend;
  if (backend->name() == "cuda") stop_jobs_before_libraries();
  return backend;
}

// body(backend). On a GPU all threads take turns on one backend, made at the first call and anew after a failure.
template <class Body>
void with_call_backend(const std::string& device, const Body& body) {
  if (used_device(device) == "cpu") return body(cpu_backend());
  static std::mutex mutex;
  static auto* const kept = new std::shared_ptr<Backend>;  // never destroyed: the driver ends before this process does
  const std::lock_guard<std::mutex> lock(mutex);
  const std::shared_ptr<Backend> backend = *kept ? *kept : backend_on(device);
  kept->reset();
  body(*backend);
  *kept = backend;
}

}  // namespace onelogit::addon
