#include "cuda_device/illegal_access.h"

#include <cstdio>
#include <string>

#include "backend/cuda/cuda_backend.h"
#include "error.h"

namespace onelogit::test {

void write_to_nothing();  // illegal_access.cu

namespace {

template <class Body>
bool fails(const char* what, const Body& body) {
  std::string code = "no error";
  try {
    body();
  } catch (const Error& error) {
    code = error.code();
  }
  std::printf("%s: %s\n", what, code.c_str());
  return code == "ERR_ONELOGIT_CUDA";
}

}  // namespace

int survive_illegal_access() {
  bool all = true;
  {
    CudaBackend backend;
    void* const memory = backend.allocate(4);
    float value = 0;
    backend.upload(memory, &value, 4);
    all = fails("the kernel", [&] {
      write_to_nothing();
      cuda::check(cudaDeviceSynchronize(), "a kernel that writes to nothing");
    });
    all = fails("a download", [&] { backend.download(&value, memory, 4); }) && all;
    all = fails("an upload",
                [&] {
                  backend.upload(memory, &value, 4);
                  backend.download(&value, memory, 4);
                }) &&
          all;
    backend.release(memory, 4);
  }  // which frees what it can
  all = fails("another backend", [] { const CudaBackend backend; }) && all;
  return all ? 0 : 1;
}

}  // namespace onelogit::test
