// The backend of functions that compute once and return.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "backend/backend.h"

namespace onelogit::addon {

// body(backend). On a GPU all threads take turns on one backend, made at the first call and anew after a failure.
template <class Body>
void with_call_backend(const std::string& device, const Body& body) {
  if (used_device(device) == "cpu") return body(cpu_backend());
  static std::mutex mutex;
  static auto* const kept = new std::shared_ptr<Backend>;  // never destroyed: the driver ends before this process does
  const std::lock_guard<std::mutex> lock(mutex);
  const std::shared_ptr<Backend> backend = *kept ? *kept : select_backend(device).backend;
  kept->reset();
  body(*backend);
  *kept = backend;
}

}  // namespace onelogit::addon
