// Turns of jobs that compute features or logits. Each takes the memory of a pass through the layers, and a service may
// have thousands of requests at once: so many compute as there are threads for one operation, the others wait.
#pragma once

#include "addon/addon.h"

namespace onelogit::addon {

// While this exists, it is its job's turn.
class Turn {
 public:
  // Waits, first come, first served. Throws ERR_ONELOGIT_ABORTED, naming `what`, when the job is cancelled meanwhile:
  // `wake_turns` is then what start_job is to call.
  Turn(const Job& job, const char* what);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
};

// Lets all that wait look whether they were cancelled.
void wake_turns();

}  // namespace onelogit::addon
