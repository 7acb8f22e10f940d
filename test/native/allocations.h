// Counts every operator new of the test program, on all threads.
#pragma once

#include <cstdint>

namespace onelogit::test {

std::int64_t allocations();

}  // namespace onelogit::test
