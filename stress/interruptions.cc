#include "stress/interruptions.h"

#include <link.h>
#include <sched.h>
#include <ucontext.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <tuple>
#include <utility>

#include "stress/worker.h"

namespace fsqlshm::stress {
namespace {

// How far into a call it may go: operations of the header have fewer instructions.
constexpr std::uint64_t kFurthest = 100;
// And how far at most, outside of the subject too: in functions that it calls.
constexpr std::uint64_t kMostSteps = 1000;
constexpr std::uint64_t kLongestSleepNs = 100'000;
constexpr std::uint64_t kTrapFlag = 0x100;

// Of the calling thread; a signal handler has no other way to know.
thread_local Interruptions* t_mine = nullptr;
// What handled SIGTRAP before; the same for all threads of a process.
struct sigaction g_former{};

// The addresses of the executable parts of the object that holds `address`.
std::pair<std::uintptr_t, std::uintptr_t> code_around(std::uintptr_t address) {
  struct Search {
    std::uintptr_t address;
    std::uintptr_t first = ~std::uintptr_t{0};
    std::uintptr_t last = 0;
  } search{.address = address};
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* context) {
        Search found{.address = static_cast<Search*>(context)->address};
        bool inside = false;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& part = object->dlpi_phdr[i];
          if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
          const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
          found.first = std::min(found.first, begin);
          found.last = std::max(found.last, begin + part.p_memsz);
          inside = inside || (found.address >= begin && found.address < begin + part.p_memsz);
        }
        if (inside) *static_cast<Search*>(context) = found;
        return inside ? 1 : 0;
      },
      &search);
  return {search.first, search.last};
}

}  // namespace

Interruptions::Interruptions(const harness::Subject& subject, std::uint64_t one_in,
                             std::uint64_t seed)
    : one_in_(one_in), random_(seed) {
  std::tie(first_, last_) = code_around(reinterpret_cast<std::uintptr_t>(subject->create));
  struct sigaction action{};
  action.sa_sigaction = trap;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  struct sigaction former{};
  ::sigaction(SIGTRAP, &action, &former);
  if (former.sa_sigaction != trap) g_former = former;
  t_mine = this;
}

Interruptions::~Interruptions() { t_mine = nullptr; }

bool Interruptions::before_call() {
  Interruptions* const mine = t_mine;
  if (mine == nullptr || !mine->random_.one_in(mine->one_in_)) return false;
#if defined(__x86_64__)
  if (!under_tsan()) {
    mine->inside_ = 1 + mine->random_.below(kFurthest);
    mine->steps_ = kMostSteps;
    // Below the red zone of this function.
    asm volatile(
        "lea -128(%%rsp), %%rsp\n\t"
        "pushfq\n\t"
        "orq %0, (%%rsp)\n\t"
        "popfq\n\t"
        "lea 128(%%rsp), %%rsp"
        :
        : "i"(kTrapFlag)
        : "cc", "memory");
    return true;
  }
#endif
  mine->stand_still();
  return false;
}

void Interruptions::after_call() {
#if defined(__x86_64__)
  asm volatile(
      "lea -128(%%rsp), %%rsp\n\t"
      "pushfq\n\t"
      "andq %0, (%%rsp)\n\t"
      "popfq\n\t"
      "lea 128(%%rsp), %%rsp"
      :
      : "i"(~static_cast<std::int32_t>(kTrapFlag))
      : "cc", "memory");
#endif
}

void Interruptions::trap(int signal, siginfo_t* info, void* context) {
#if defined(__x86_64__)
  if (Interruptions* const mine = t_mine; mine != nullptr && info->si_code == TRAP_TRACE) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const auto at = static_cast<std::uintptr_t>(registers[REG_RIP]);
    if (at >= mine->first_ && at < mine->last_) --mine->inside_;
    --mine->steps_;
    if (mine->inside_ != 0 && mine->steps_ != 0) return;
    registers[REG_EFL] &= ~static_cast<greg_t>(kTrapFlag);
    if (mine->inside_ == 0) mine->stand_still();
    return;
  }
#endif
  // A breakpoint of the subject's own.
  if ((g_former.sa_flags & SA_SIGINFO) != 0) {
    g_former.sa_sigaction(signal, info, context);
  } else {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

// Also in a signal handler: everything here is async-signal-safe.
void Interruptions::stand_still() {
  const int error = errno;
  if (random_.one_in(4)) {
    ::sched_yield();
  } else {
    const timespec pause = {0, static_cast<std::int64_t>(random_.below(kLongestSleepNs))};
    ::nanosleep(&pause, nullptr);
  }
  errno = error;
}

}  // namespace fsqlshm::stress
