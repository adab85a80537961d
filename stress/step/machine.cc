#include "stress/step/machine.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace fsqlshm::step {
namespace {

constexpr std::size_t kGuard = 4096;
constexpr greg_t kTrapFlag = 0x100;
constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};

// Of this process: a signal handler has no other way to know.
Machine* g_machine = nullptr;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string_view name_of(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "an access to memory that is not its own (SIGSEGV)";
    case SIGBUS:
      return "an access to memory that is not there (SIGBUS)";
    case SIGILL:
      return "an illegal instruction or a panic (SIGILL)";
    case SIGFPE:
      return "a division by zero (SIGFPE)";
    case SIGABRT:
      return "an abort (SIGABRT)";
    default:
      return "a trap (SIGTRAP)";
  }
}

}  // namespace

Machine::Machine(const harness::Subject& subject) : size_(subject.header_size()) {
  // Guard, what the subject sees, guard, the same memory again, guard, scratch, guard.
  constexpr std::size_t kStride = kGuard + kPages;
  void* const area = ::mmap(nullptr, 3 * kStride + kGuard, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) fail("cannot make memory for a header");
  area_ = static_cast<std::byte*>(area);
  seen_ = area_ + kGuard;
  real_ = seen_ + kStride;
  scratch_ = real_ + kStride;
  const int memory = ::memfd_create("header", MFD_CLOEXEC);
  if (memory < 0 || ::ftruncate(memory, kPages) != 0) fail("cannot make a memfd");
  const auto map = [&](std::byte* at, int protection) {
    if (::mmap(at, kPages, protection, MAP_SHARED | MAP_FIXED, memory, 0) == MAP_FAILED) {
      fail("cannot map a header");
    }
  };
  map(seen_, PROT_NONE);
  map(real_, PROT_READ | PROT_WRITE);
  ::close(memory);
  if (::mprotect(scratch_, kPages, PROT_READ | PROT_WRITE) != 0) fail("cannot make a scratch page");
  // It ends where the guard begins, as far as its alignment allows.
  offset_ = (kPages - size_) / subject.alignment() * subject.alignment();
  instructions_ = std::make_unique<Instructions>(
      Shifts{.real = static_cast<std::int32_t>(real_ - seen_),
             .scratch = static_cast<std::int32_t>(scratch_ - seen_)});
  g_machine = this;
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;  // on the thread's own stack, and left by switching
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

Machine::~Machine() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
  g_machine = nullptr;
  ::munmap(area_, 3 * (kGuard + kPages) + kGuard);
}

void Machine::on_signal(int signal, siginfo_t* info, void* context) {
  Machine& machine = *g_machine;
  if (!machine.inside_) {  // a fault of the harness
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  machine.inside_ = false;
  auto& registers = *static_cast<ucontext_t*>(context);
  if (signal == SIGTRAP) {
    machine.on_trap(registers);
  } else {
    machine.on_fault(signal, reinterpret_cast<std::uintptr_t>(info->si_addr), registers);
  }
  machine.inside_ = true;
}

bool Machine::is_ours(std::uintptr_t address) const {
  const auto area = reinterpret_cast<std::uintptr_t>(area_);
  return address >= area && address < area + 3 * (kGuard + kPages) + kGuard;
}

void Machine::on_fault(int signal, std::uintptr_t address, ucontext_t& context) {
  const auto at = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RIP]);
  const auto start = reinterpret_cast<std::uintptr_t>(header());
  if (signal == SIGSEGV && address >= start && address < start + size_) {
    return access(instructions_->at(at), address - start, context);
  }
  if (signal != SIGSEGV || !is_ours(address)) watcher_->crashed(at, name_of(signal));
  std::array<char, 96> text;
  const auto end = fmt::format_to_n(text.data(), text.size(),
                                    "an access {} bytes from the start of its header of {}",
                                    static_cast<std::ptrdiff_t>(address - start), size_)
                       .out;
  watcher_->crashed(at, {text.data(), end});
}

void Machine::access(const Instruction& instruction, std::size_t offset, ucontext_t& context) {
  if (instruction.way == Way::kRefused) watcher_->refused(instruction, instruction.refusal);
  greg_t* const registers = context.uc_mcontext.gregs;
  if (offset % 8 + instruction.width <= 8) {
    watcher_->before_access(instruction, offset, false,
                            {&context, static_cast<std::uintptr_t>(registers[REG_RSP])});
  } else if (!watcher_->is_constant(instruction, offset)) {
    watcher_->refused(instruction, "accesses more than one word at once");
  }
  if (instruction.way == Way::kOpened) {
    open_page(true);
    opened_ = true;
    registers[REG_EFL] |= kTrapFlag;
    return;
  }
  if (instruction.two_accesses) {
    const std::size_t word = offset_ + offset / 8 * 8;
    std::memcpy(scratch_ + word, real_ + word, 8);
    registers[instruction.base] += scratch_ - seen_;
    // For write_back, which comes before anybody else runs.
    *reinterpret_cast<std::uint64_t*>(scratch_) = offset;
  } else {
    registers[instruction.base] += real_ - seen_;
  }
  registers[REG_RIP] = static_cast<greg_t>(instruction.copy);
}

void Machine::on_trap(ucontext_t& context) {
  greg_t* const registers = context.uc_mcontext.gregs;
  if (opened_) {
    opened_ = false;
    registers[REG_EFL] &= ~kTrapFlag;
    open_page(false);
    return;
  }
  const auto at = static_cast<std::uintptr_t>(registers[REG_RIP]);
  if (const Instruction* const instruction = instructions_->of_breakpoint(at)) {
    return write_back(*instruction, context);
  }
  watcher_->crashed(at, name_of(SIGTRAP));
}

// The second access of an instruction that reads and writes: what it left in the scratch page.
void Machine::write_back(const Instruction& instruction, ucontext_t& context) {
  greg_t* const registers = context.uc_mcontext.gregs;
  const auto offset = static_cast<std::size_t>(*reinterpret_cast<std::uint64_t*>(scratch_));
  std::array<std::byte, 8> value;
  std::memcpy(value.data(), scratch_ + offset_ + offset, instruction.width);
  watcher_->before_access(instruction, offset, true,
                          {&context, static_cast<std::uintptr_t>(registers[REG_RSP])});
  std::memcpy(real() + offset, value.data(), instruction.width);
  registers[REG_RIP] = static_cast<greg_t>(instruction.address) + instruction.size;
}

void Machine::open_page(bool open) const {
  ::mprotect(seen_, kPages, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

}  // namespace fsqlshm::step
