#include "backend/cuda/driver.h"

namespace onelogit::cuda {

Driver find_driver() { return {true, 13000}; }

}  // namespace onelogit::cuda
