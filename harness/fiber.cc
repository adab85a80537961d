// glibc's check of longjmp takes a jump to another stack for an overflow.
#undef _FORTIFY_SOURCE

#include "harness/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define FSQLSHM_ASAN_FIBERS 1
#elif defined(__SANITIZE_THREAD__)
#define FSQLSHM_TSAN_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FSQLSHM_ASAN_FIBERS 1
#elif __has_feature(thread_sanitizer)
#define FSQLSHM_TSAN_FIBERS 1
#endif
#endif

#ifdef FSQLSHM_ASAN_FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

namespace fsqlshm::harness {
namespace {

void start_switch([[maybe_unused]] void** save, [[maybe_unused]] const void* bottom,
                  [[maybe_unused]] std::size_t size) {
#ifdef FSQLSHM_ASAN_FIBERS
  __sanitizer_start_switch_fiber(save, bottom, size);
#endif
}

void finish_switch([[maybe_unused]] void* saved, [[maybe_unused]] const void** old_bottom,
                   [[maybe_unused]] std::size_t* old_size) {
#ifdef FSQLSHM_ASAN_FIBERS
  __sanitizer_finish_switch_fiber(saved, old_bottom, old_size);
#endif
}

}  // namespace

Fiber::Fiber() {
  // A guard page below the stack turns an overflow into a crash.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const mapping = ::mmap(nullptr, kStackSize + page, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED || ::mprotect(mapping, page, PROT_NONE) != 0) {
    std::perror("cannot make a stack for a virtual thread");
    std::abort();
  }
  mapping_ = static_cast<std::byte*>(mapping);
  make_context();
}

void Fiber::make_context() {
  entered_ = false;
  ::getcontext(&own_);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  own_.uc_stack.ss_sp = mapping_ + page;
  own_.uc_stack.ss_size = kStackSize;
  own_.uc_link = nullptr;
  // makecontext passes ints only.
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  ::makecontext(&own_, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
                static_cast<unsigned>(self & 0xffffffff),
                static_cast<unsigned>(std::uint64_t{self} >> 32));
}

Fiber::~Fiber() {
  ::munmap(mapping_, kStackSize + static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

void Fiber::enter(unsigned low, unsigned high) {
  const std::uint64_t self = low | (std::uint64_t{high} << 32);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): makecontext passes nothing but ints
  reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(self))->loop();
}

void Fiber::loop() {
  finish_switch(nullptr, &caller_bottom_, &caller_size_);
  while (true) {
    job_();
    idle_ = true;
    suspend();
  }
}

void Fiber::start(std::function<void()> job) {
  job_ = std::move(job);
  idle_ = false;
}

// swapcontext makes a system call for the signal mask, which is most of its time, so it is only for the
// sanitizers, which do not understand a longjmp to another stack.
#if defined(FSQLSHM_ASAN_FIBERS) || defined(FSQLSHM_TSAN_FIBERS)

void Fiber::switch_to_job() { ::swapcontext(&caller_, &own_); }
void Fiber::switch_to_caller() { ::swapcontext(&own_, &caller_); }

#else

// NOLINTBEGIN(cert-err52-cpp): nothing is unwound; both stacks stay as they are
void Fiber::switch_to_job() {
  if (_setjmp(caller_place_) != 0) return;
  if (std::exchange(entered_, true)) std::longjmp(own_place_, 1);
  ::setcontext(&own_);
}

void Fiber::switch_to_caller() {
  if (_setjmp(own_place_) == 0) std::longjmp(caller_place_, 1);
}
// NOLINTEND(cert-err52-cpp)

#endif

void Fiber::abandon() {
  if (idle_) return;
  make_context();
  idle_ = true;
}

void Fiber::resume() {
  start_switch(&caller_fake_stack_, own_.uc_stack.ss_sp, own_.uc_stack.ss_size);
  switch_to_job();
  finish_switch(caller_fake_stack_, nullptr, nullptr);
}

void Fiber::suspend() {
  start_switch(&own_fake_stack_, caller_bottom_, caller_size_);
  switch_to_caller();
  finish_switch(own_fake_stack_, &caller_bottom_, &caller_size_);
}

}  // namespace fsqlshm::harness
