// onelogit_bench_cuda copy|products|losses|head|score|convolutions [--small]: what the CUDA backend's parts do on this
// GPU, a line of JSON a result.
// `--small` leaves out what needs tens of gigabytes.
#include <cstdio>
#include <exception>
#include <string_view>

#include "backend/cuda/cublas.h"
#include "measure.h"

namespace {

struct Command {
  const char* name;
  void (*run)(bool large);
};
constexpr Command commands[] = {{"copy", onelogit::bench::copy},     {"products", onelogit::bench::products},
                                {"losses", onelogit::bench::losses}, {"head", onelogit::bench::head},
                                {"score", onelogit::bench::score},   {"convolutions", onelogit::bench::convolutions}};

}  // namespace

int main(int count, char** arguments) {
  const std::string_view name = count > 1 ? arguments[1] : "";
  const bool small = count == 3 && std::string_view(arguments[2]) == "--small";
  const Command* chosen = nullptr;
  for (const Command& command : commands)
    if (name == command.name) chosen = &command;
  if (chosen == nullptr || count > 3 || (count == 3 && !small)) {
    std::fprintf(stderr, "usage: onelogit_bench_cuda copy|products|losses|head|score|convolutions [--small]\n");
    return 2;
  }
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "Expected an NVIDIA GPU for this benchmark but received none: %s\n",
                 error == cudaSuccess ? "no device" : cudaGetErrorString(error));
    return 1;
  }
  try {
    chosen->run(!small);
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
