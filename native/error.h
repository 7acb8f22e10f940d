// The one error type of the native core. `addon/` turns it into a JavaScript TypeError, RangeError or OneLogitError
// with the same code; nothing else crosses Node-API.
#pragma once

#include <stdexcept>
#include <string>

namespace onelogit {

enum class ErrorKind { type, range, operation };

class Error : public std::runtime_error {
 public:
  // `code` is stable and documented: "ERR_ONELOGIT_…". `message` has the form "Expected X for Y but received Z".
  Error(ErrorKind kind, std::string code, const std::string& message)
      : std::runtime_error(message), kind_(kind), code_(std::move(code)) {}
  ErrorKind kind() const { return kind_; }
  const std::string& code() const { return code_; }

 private:
  ErrorKind kind_;
  std::string code_;
};

// Where std::thread's constructor threw std::system_error.
[[noreturn]] inline void throw_no_thread() {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_THREAD",
              "Expected a new thread for this work but the system has none left");
}

}  // namespace onelogit
