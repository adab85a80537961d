// One instruction of a subject that accesses the header: what it does to memory, and how it is made to
// do it at another place. For x86-64.

#ifndef FSQLSHM_STRESS_STEP_INSTRUCTION_H_
#define FSQLSHM_STRESS_STEP_INSTRUCTION_H_

#include <capstone/capstone.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace fsqlshm::step {

/// How an access is carried out while the header itself cannot be touched.
enum class Way : std::uint8_t {
  kRefused,  ///< not at all: see Instruction::refusal
  kShifted,  ///< a copy of the instruction runs with its base register moved to another mapping
  kOpened,   ///< the page is opened for this one instruction
};

struct Instruction {
  std::uintptr_t address = 0;
  std::string text{};  ///< "lock cmpxchg qword ptr [rdi + 0x48], rsi"
  std::string refusal{};
  Way way = Way::kRefused;
  unsigned size = 0;   ///< of the instruction, in bytes
  unsigned width = 0;  ///< of its memory operand, in bytes: 1 to 64; more than 8 only if it reads
  bool reads = false;
  bool writes = false;
  /// Reads and writes, and is not locked: two accesses, between which anything may happen.
  bool two_accesses = false;
  int base = -1;  ///< kShifted: the register's index in a ucontext_t
  /// kShifted: where the copy is that works on the header, and for `two_accesses` the one that works on
  /// a copy of the word and ends in a breakpoint before `breakpoint`.
  std::uintptr_t copy = 0;
  std::uintptr_t breakpoint = 0;
};

/// Distances, in bytes, from the header that a subject sees to its mapping that can be touched, and to
/// the page where an instruction of two accesses finds a copy of the word.
struct Shifts {
  std::int32_t real = 0;
  std::int32_t scratch = 0;
};

/// Decodes instructions, each once.
class Instructions {
 public:
  /// Throws std::system_error, or std::runtime_error if the disassembler does not start.
  explicit Instructions(Shifts shifts);
  ~Instructions();
  Instructions(const Instructions&) = delete;
  Instructions& operator=(const Instructions&) = delete;

  /// The instruction at this address, which lives as long as this object.
  [[nodiscard]] const Instruction& at(std::uintptr_t address);
  /// The one whose copy ends in this breakpoint; null if it is not one of ours.
  [[nodiscard]] const Instruction* of_breakpoint(std::uintptr_t address) const;

 private:
  static constexpr std::size_t kCopyBytes = std::size_t{64} << 10;

  void decode(Instruction& instruction);
  void classify(Instruction& instruction, const cs_insn& decoded) const;
  void make_copy(Instruction& instruction, bool restore);
  void emit(const void* bytes, std::size_t size);

  Shifts shifts_;
  csh capstone_ = 0;
  cs_insn* decoded_ = nullptr;
  std::byte* copies_ = nullptr;
  std::size_t used_ = 0;
  std::unordered_map<std::uintptr_t, Instruction> known_;
  std::unordered_map<std::uintptr_t, const Instruction*> breakpoints_;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_INSTRUCTION_H_
