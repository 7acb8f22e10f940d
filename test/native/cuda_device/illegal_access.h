// A device that is lost: a kernel that writes where nothing is makes every later call of the process fail.
#pragma once

namespace onelogit::test {

// Plants such a kernel. Prints the code of each error that follows; returns the exit status: 0 when all were
// ERR_ONELOGIT_CUDA.
int survive_illegal_access();

}  // namespace onelogit::test
