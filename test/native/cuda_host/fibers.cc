// The threads of a block as fibers: run one at a time, up to where they wait for others.

#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what a call preserves on this stack, and goes on where `to` was saved. swapcontext would ask the kernel for the
// signal mask each time, which costs more than most steps of a kernel.
extern "C" void cuda_host_switch(void** from, void* to);
asm(R"(
.text
.globl cuda_host_switch
.type cuda_host_switch, @function
cuda_host_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_host_switch, .-cuda_host_switch
)");
#endif

namespace cuda_host {

thread_local Thread* current = nullptr;

namespace {

constexpr std::size_t stack_bytes = std::size_t{128} << 10;
constexpr unsigned lanes = 32;

enum class State { ready, at_block_barrier, at_warp_barrier, done };

// Where a stack goes on.
class Context {
 public:
#if defined(__x86_64__)
  void start(void* stack, void (*entry)()) {
    // As if `entry` had been called just before its first instruction: the stack is 16-byte aligned but for the return
    // address, of which there is none. Below lie six registers and where to go.
    auto** top = reinterpret_cast<void**>(static_cast<unsigned char*>(stack) + stack_bytes) - 1;
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    pointer_ = top;
  }
  static void switch_to(Context& from, Context& to) { cuda_host_switch(&from.pointer_, to.pointer_); }

 private:
  void* pointer_ = nullptr;
#else
  void start(void* stack, void (*entry)()) {
    ::getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = stack_bytes;
    context_.uc_link = nullptr;
    ::makecontext(&context_, entry, 0);
  }
  static void switch_to(Context& from, Context& to) { ::swapcontext(&from.context_, &to.context_); }

 private:
  ucontext_t context_{};
#endif
};

struct Fiber {
  Thread thread{};
  State state = State::done;
  unsigned index = 0;  // in its block
  unsigned mask = 0;   // of the warp barrier it waits at
  Context context;
  void* stack = nullptr;
  const std::function<void()>* body = nullptr;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

[[noreturn]] void fail(const char* message) {
  std::fprintf(stderr, "cuda_host: %s\n", message);
  std::abort();
}

// One grid runs at a time: static shared memory is the program's.
std::mutex running;
Order chosen_order;

class Block;
thread_local Block* block_now = nullptr;

class Block {
 public:
  ~Block() {
    for (const auto& fiber : fibers_) ::munmap(fiber->stack, stack_bytes);
  }

  void run(uint3 block_index, dim3 block, dim3 grid, void* shared, const std::function<void()>& body,
           std::mt19937_64& random) {
    const unsigned count = block.x * block.y * block.z;
    while (fibers_.size() < count) fibers_.push_back(make());
    for (unsigned i = 0; i < count; ++i) {
      Fiber& fiber = *fibers_[i];
      fiber.thread = {{i % block.x, i / block.x % block.y, i / (block.x * block.y)}, block_index, block, grid, shared};
      fiber.index = i;
      fiber.body = &body;
      start(fiber);
    }
    slots_.assign((count + lanes - 1) / lanes * lanes, 0);
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; ++i) order[i] = i;
    if (chosen_order.kind == Order::reverse) std::reverse(order.begin(), order.end());
    for (unsigned done = 0; done < count;) {
      if (chosen_order.kind == Order::random) std::shuffle(order.begin(), order.end(), random);
      bool stepped = false;
      for (const unsigned i : order) {
        Fiber& fiber = *fibers_[i];
        // A warp goes on as soon as its lanes have met, wherever the rest of the block is.
        if (fiber.state == State::at_warp_barrier) release_warp(fiber, count);
        if (fiber.state != State::ready) continue;
        step(fiber);
        stepped = true;
        done += fiber.state == State::done;
      }
      stepped = release_block(count) || stepped;
      if (!stepped && done < count)
        fail("threads of a block wait for each other for ever: a barrier that some never reach");
    }
  }

  void wait(State state, unsigned mask) {
    now_->state = state;
    now_->mask = mask;
    leave();
  }
  void* slot(unsigned lane) { return &slots_[now_->index / lanes * lanes + lane]; }
  unsigned lane() const { return now_->index % lanes; }

 private:
  static std::unique_ptr<Fiber> make() {
    auto fiber = std::make_unique<Fiber>();
    fiber->stack =
        ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fiber->stack == MAP_FAILED) fail("no memory for the stack of a thread");
    return fiber;
  }

  void start(Fiber& fiber) {
    fiber.context.start(fiber.stack, &Block::entry);
    fiber.state = State::ready;
  }

  static void entry() {
    Block& block = *block_now;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &block.main_stack_, &block.main_stack_bytes_);
#endif
    (*block.now_->body)();
    block.now_->state = State::done;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(nullptr, block.main_stack_, block.main_stack_bytes_);  // null: it does not come back
#endif
    Context::switch_to(block.now_->context, block.main_);  // for ever
  }

  void step(Fiber& fiber) {
    now_ = &fiber;
    block_now = this;
    current = &fiber.thread;
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fiber.stack, stack_bytes);
#endif
    Context::switch_to(main_, fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    current = nullptr;
  }

  void leave() {
    Fiber& fiber = *now_;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fiber.fake_stack, main_stack_, main_stack_bytes_);
#endif
    Context::switch_to(fiber.context, main_);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber.fake_stack, &main_stack_, &main_stack_bytes_);
#endif
  }

  void release_warp(const Fiber& waiting, unsigned count) {
    const unsigned first = waiting.index / lanes * lanes, last = std::min(first + lanes, count);
    for (unsigned i = first; i < last; ++i) {
      if ((waiting.mask >> (i - first) & 1) == 0) continue;
      const Fiber& other = *fibers_[i];
      if (other.state == State::done) fail("a lane named in the mask of a warp operation has ended");
      if (other.state != State::at_warp_barrier || other.mask != waiting.mask) return;
    }
    const unsigned mask = waiting.mask;
    for (unsigned i = first; i < last; ++i)
      if (mask >> (i - first) & 1) fibers_[i]->state = State::ready;
  }

  // All that have not ended have arrived.
  bool release_block(unsigned count) {
    bool waiting = false;
    for (unsigned i = 0; i < count; ++i) {
      if (fibers_[i]->state == State::at_block_barrier)
        waiting = true;
      else if (fibers_[i]->state != State::done)
        return false;
    }
    for (unsigned i = 0; waiting && i < count; ++i)
      if (fibers_[i]->state == State::at_block_barrier) fibers_[i]->state = State::ready;
    return waiting;
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<std::uint64_t> slots_;
  Fiber* now_ = nullptr;
  Context main_;
  const void* main_stack_ = nullptr;
  std::size_t main_stack_bytes_ = 0;
};

}  // namespace

void set_order(Order order) {
  const std::lock_guard<std::mutex> lock(running);
  chosen_order = order;
}

void run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& body) {
  if (block.x * block.y * block.z == 0 || block.x * block.y * block.z > 1024 || grid.x == 0 || grid.y > 65535 ||
      grid.y == 0 || grid.z == 0 || grid.z > 65535 || shared_bytes > 48 * 1024)
    fail("a launch with more threads, blocks or shared memory than a device has");
  const std::lock_guard<std::mutex> lock(running);
  static auto* const fibers = new Block;
  static std::uint64_t launches = 0;
  std::mt19937_64 random(chosen_order.seed * 1'000'003 + ++launches);
  const DeviceAccess access;
  const std::uint64_t count = std::uint64_t{grid.x} * grid.y * grid.z;
  std::vector<std::uint64_t> order(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) order[i] = i;
  if (chosen_order.kind == Order::reverse) std::reverse(order.begin(), order.end());
  if (chosen_order.kind == Order::random) std::shuffle(order.begin(), order.end(), random);
  for (const std::uint64_t i : order) {
    // Exactly as long as asked for, and full of NaN: what is read past its end or before it was written shows.
    const std::unique_ptr<unsigned char[]> shared(new unsigned char[shared_bytes]);
    std::memset(shared.get(), 0xff, shared_bytes);
    const uint3 index{static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                      static_cast<unsigned>(i / grid.x / grid.y)};
    fibers->run(index, block, grid, shared.get(), body, random);
  }
}

void block_barrier() { block_now->wait(State::at_block_barrier, 0); }
void warp_barrier(unsigned mask) { block_now->wait(State::at_warp_barrier, mask); }
void* lane_slot(unsigned lane) { return block_now->slot(lane); }
unsigned lane() { return block_now->lane(); }

}  // namespace cuda_host
