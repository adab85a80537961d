// Runs a subject's code up to each of its accesses to the header, and carries the access out when it is
// told to.
//
// The subject sees the header in a mapping that cannot be touched, so that every access, by whatever
// instruction, known or not, is a fault, and everything else runs at full speed. An access is carried
// out by a copy of the instruction whose base register is moved to a second mapping of the same memory.
// All threads of an execution are fibers of one process.

#ifndef FSQLSHM_STRESS_STEP_MACHINE_H_
#define FSQLSHM_STRESS_STEP_MACHINE_H_

#include <ucontext.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "harness/subject.h"
#include "stress/step/instruction.h"

namespace fsqlshm::step {

/// What a thread can be told apart by while it stands before an access.
struct LocalState {
  const ucontext_t* registers = nullptr;
  std::uintptr_t stack = 0;  ///< the stack pointer
};

/// Who decides. Called on the stack of the thread that stands before the access; may let other threads
/// run meanwhile, and may not return.
class Watcher {
 public:
  /// `offset`: bytes from the start of the header. `second`: the write of an instruction of two accesses.
  virtual void before_access(const Instruction& instruction, std::size_t offset, bool second,
                             const LocalState& state) = 0;
  /// Whether this access, of more than one word, only reads what never changes. Then it is no step.
  [[nodiscard]] virtual bool is_constant(const Instruction& instruction, std::size_t offset) = 0;
  /// The subject did what cannot be stepped.
  [[noreturn]] virtual void refused(const Instruction& instruction, std::string_view why) = 0;
  /// The subject broke something: `what` for a person.
  [[noreturn]] virtual void crashed(std::uintptr_t address, std::string_view what) = 0;

 protected:
  ~Watcher() = default;
};

/// REQUIRES: at most one at a time, in a process of one thread: signals are of the process.
class Machine {
 public:
  /// Throws std::system_error.
  explicit Machine(const harness::Subject& subject);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void watch(Watcher& watcher) noexcept { watcher_ = &watcher; }
  /// What the subject gets.
  [[nodiscard]] fsqlshm_header* header() const noexcept {
    return reinterpret_cast<fsqlshm_header*>(seen_ + offset_);
  }
  /// The same memory, which can be touched.
  [[nodiscard]] std::byte* real() const noexcept { return real_ + offset_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Around every call of the subject, and outside of its callbacks.
  void enter() noexcept { inside_ = true; }
  void leave() noexcept { inside_ = false; }

 private:
  static void on_signal(int signal, siginfo_t* info, void* context);
  void on_fault(int signal, std::uintptr_t address, ucontext_t& context);
  void on_trap(ucontext_t& context);
  void access(const Instruction& instruction, std::size_t offset, ucontext_t& context);
  void write_back(const Instruction& instruction, ucontext_t& context);
  void open_page(bool open) const;
  [[nodiscard]] bool is_ours(std::uintptr_t address) const;

  static constexpr std::size_t kPages = 8192;  // bytes for the header

  Watcher* watcher_ = nullptr;
  std::byte* area_ = nullptr;
  std::byte* seen_ = nullptr;
  std::byte* real_ = nullptr;
  std::byte* scratch_ = nullptr;
  std::size_t offset_ = 0;  // of the header in each of them
  std::size_t size_ = 0;
  bool inside_ = false;  // the subject's code runs
  bool opened_ = false;  // for one instruction
  std::unique_ptr<Instructions> instructions_;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_MACHINE_H_
