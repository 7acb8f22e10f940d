// Device-owned memory with a lifetime. Bytes only: who holds a buffer knows what is in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "backend/backend.h"

namespace onelogit {

// What elements take, float32 unless said otherwise.
inline std::size_t bytes_of(std::int64_t elements, std::size_t width = sizeof(float)) {
  return static_cast<std::size_t>(elements) * width;
}

class Buffer {
 public:
  Buffer() = default;
  // 64-byte aligned, zero-filled memory of `backend`. Throws ERR_ONELOGIT_OUT_OF_MEMORY.
  Buffer(Backend& backend, std::size_t bytes)
      : owner_(backend.weak_from_this().lock()),
        backend_(&backend),
        data_(bytes ? backend.allocate(bytes) : nullptr),
        bytes_(bytes) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer moved(std::move(other));
    swap(moved);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_ != nullptr) backend_->release(data_, bytes_);
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  std::shared_ptr<Backend> owner_;  // null: the backend lives as long as the process, or as its user sees to
  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace onelogit
