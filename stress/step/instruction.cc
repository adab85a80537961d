#include "stress/step/instruction.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>

namespace fsqlshm::step {
namespace {

// A general register: its names by size, where a ucontext_t has it, and its number in instructions.
struct Register {
  std::array<unsigned, 5> names;  // 64, 32, 16, 8 and (high) 8 bits
  int context;
  unsigned number;
};
constexpr std::array<Register, 16> kRegisters = {{
    {{X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH}, REG_RAX, 0},
    {{X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH}, REG_RCX, 1},
    {{X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH}, REG_RDX, 2},
    {{X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH}, REG_RBX, 3},
    {{X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, 0}, REG_RSP, 4},
    {{X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, 0}, REG_RBP, 5},
    {{X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, 0}, REG_RSI, 6},
    {{X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, 0}, REG_RDI, 7},
    {{X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, 0}, REG_R8, 8},
    {{X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, 0}, REG_R9, 9},
    {{X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, 0}, REG_R10, 10},
    {{X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, 0}, REG_R11, 11},
    {{X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, 0}, REG_R12, 12},
    {{X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, 0}, REG_R13, 13},
    {{X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, 0}, REG_R14, 14},
    {{X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, 0}, REG_R15, 15},
}};

// The general register of which this is a part; null for others.
const Register* whole(unsigned name) {
  if (name == X86_REG_INVALID) return nullptr;
  const auto* const found = std::ranges::find_if(kRegisters, [name](const Register& candidate) {
    return std::ranges::find(candidate.names, name) != candidate.names.end();
  });
  return found == kRegisters.end() ? nullptr : found;
}

std::span<const cs_x86_op> operands(const cs_insn& decoded) {
  return {decoded.detail->x86.operands, decoded.detail->x86.op_count};
}

// The memory operand, if there is exactly one.
const cs_x86_op* memory_operand(const cs_insn& decoded) {
  const cs_x86_op* found = nullptr;
  for (const cs_x86_op& operand : operands(decoded)) {
    if (operand.type != X86_OP_MEM) continue;
    if (found != nullptr) return nullptr;
    found = &operand;
  }
  return found;
}

bool is_exchange(unsigned id) {
  return id == X86_INS_XCHG || id == X86_INS_XADD || id == X86_INS_CMPXCHG;
}

// What becomes of the base register besides being a base.
enum class BaseUse : std::uint8_t { kNone, kReplaced, kOther };
BaseUse base_use(const cs_insn& decoded, const cs_x86_op& memory, const Register& base) {
  BaseUse use = BaseUse::kNone;
  if (whole(memory.mem.index) == &base) return BaseUse::kOther;
  for (const cs_x86_op& operand : operands(decoded)) {
    if (operand.type != X86_OP_REG || whole(operand.reg) != &base) continue;
    const bool replaced = operand.access == CS_AC_WRITE && operand.size >= 4;
    use = replaced && use == BaseUse::kNone ? BaseUse::kReplaced : BaseUse::kOther;
  }
  const cs_detail& detail = *decoded.detail;
  const auto implied = [&base](std::span<const std::uint16_t> names) {
    return std::ranges::any_of(names, [&](unsigned name) { return whole(name) == &base; });
  };
  if (implied({detail.regs_read, detail.regs_read_count}) ||
      implied({detail.regs_write, detail.regs_write_count})) {
    return BaseUse::kOther;
  }
  return use;
}

bool in_group(const cs_insn& decoded, unsigned group) {
  const std::span<const std::uint8_t> groups(decoded.detail->groups, decoded.detail->groups_count);
  return std::ranges::find(groups, group) != groups.end();
}

}  // namespace

Instructions::Instructions(Shifts shifts) : shifts_(shifts) {
  if (::cs_open(CS_ARCH_X86, CS_MODE_64, &capstone_) != CS_ERR_OK) {
    throw std::runtime_error("the disassembler does not start");
  }
  ::cs_option(capstone_, CS_OPT_DETAIL, CS_OPT_ON);
  decoded_ = ::cs_malloc(capstone_);
  void* const memory = ::mmap(nullptr, kCopyBytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "cannot make memory for instructions");
  }
  copies_ = static_cast<std::byte*>(memory);
}

Instructions::~Instructions() {
  ::munmap(copies_, kCopyBytes);
  ::cs_free(decoded_, 1);
  ::cs_close(&capstone_);
}

const Instruction& Instructions::at(std::uintptr_t address) {
  const auto [entry, is_new] = known_.try_emplace(address);
  if (is_new) {
    entry->second.address = address;
    decode(entry->second);
  }
  return entry->second;
}

const Instruction* Instructions::of_breakpoint(std::uintptr_t address) const {
  const auto found = breakpoints_.find(address);
  return found == breakpoints_.end() ? nullptr : found->second;
}

void Instructions::decode(Instruction& instruction) {
  constexpr std::size_t kLongest = 15;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address that was executed
  const auto* code = reinterpret_cast<const std::uint8_t*>(instruction.address);
  std::size_t left = kLongest;
  std::uint64_t address = instruction.address;
  if (!::cs_disasm_iter(capstone_, &code, &left, &address, decoded_)) {
    const std::span bytes(code, 8);
    instruction.refusal = fmt::format("cannot be decoded: {:02x} ...", fmt::join(bytes, " "));
    return;
  }
  instruction.size = decoded_->size;
  instruction.text = fmt::format("{} {}", decoded_->mnemonic, decoded_->op_str);
  classify(instruction, *decoded_);
  if (!instruction.refusal.empty()) {
    instruction.way = Way::kRefused;
    return;
  }
  if (instruction.way != Way::kShifted) return;
  const cs_x86_op& memory = *memory_operand(*decoded_);
  make_copy(instruction, base_use(*decoded_, memory, *whole(memory.mem.base)) == BaseUse::kNone);
}

void Instructions::classify(Instruction& instruction, const cs_insn& decoded) const {
  const cs_x86_op* const memory = memory_operand(decoded);
  if (memory == nullptr) {
    instruction.refusal = "has no memory operand that is known, or two";
    return;
  }
  instruction.width = memory->size;
  const auto index = static_cast<unsigned>(memory->mem.index);
  if (index != X86_REG_INVALID && whole(index) == nullptr) {
    instruction.refusal = "accesses several places at once";
    return;
  }
  const bool locked = decoded.detail->x86.prefix[0] == X86_PREFIX_LOCK;
  instruction.reads = (memory->access & CS_AC_READ) != 0 || is_exchange(decoded.id);
  instruction.writes = (memory->access & CS_AC_WRITE) != 0 || is_exchange(decoded.id);
  if (!instruction.reads && !instruction.writes) {
    // Unknown to the disassembler: as the strictest.
    instruction.reads = instruction.writes = true;
  }
  if (!std::has_single_bit(instruction.width) || instruction.width > 64 ||
      (instruction.width > 8 && instruction.writes)) {
    instruction.refusal = fmt::format("accesses {} bytes at once", instruction.width);
    return;
  }
  instruction.two_accesses =
      instruction.reads && instruction.writes && !locked && decoded.id != X86_INS_XCHG;
  const Register* const base = whole(memory->mem.base);
  const bool moves_control = in_group(decoded, X86_GRP_JUMP) || in_group(decoded, X86_GRP_CALL) ||
                             in_group(decoded, X86_GRP_RET) || in_group(decoded, X86_GRP_INT);
  const bool uses_stack =
      std::ranges::any_of(std::span(decoded.detail->regs_write, decoded.detail->regs_write_count),
                          [](unsigned name) { return name == X86_REG_RSP; });
  const bool shifted = base != nullptr && base->number != 4 && !moves_control && !uses_stack &&
                       memory->mem.segment == X86_REG_INVALID &&
                       base_use(decoded, *memory, *base) != BaseUse::kOther;
  instruction.way = shifted ? Way::kShifted : Way::kOpened;
  if (shifted) instruction.base = base->context;
  if (!shifted && instruction.two_accesses) {
    instruction.refusal = "reads and writes without a lock, in a form that cannot be taken apart";
  }
}

void Instructions::emit(const void* bytes, std::size_t size) {
  std::memcpy(copies_ + used_, bytes, size);
  used_ += size;
}

// The instruction itself; the base register back to what it was; back to the next instruction, or a
// breakpoint.
void Instructions::make_copy(Instruction& instruction, bool restore) {
  if (used_ + 64 > kCopyBytes) {
    instruction.way = Way::kRefused;
    instruction.refusal = "is one of too many that access the header";
    return;
  }
  instruction.copy = reinterpret_cast<std::uintptr_t>(copies_ + used_);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address that was executed
  emit(reinterpret_cast<const void*>(instruction.address), instruction.size);
  if (restore) {
    const auto* const base = std::ranges::find(kRegisters, instruction.base, &Register::context);
    const unsigned low = base->number & 7U;
    const unsigned high = base->number >> 3U;
    const std::int32_t back = -(instruction.two_accesses ? shifts_.scratch : shifts_.real);
    // lea base, [base + back]: no flag changes.
    const std::array<std::uint8_t, 3> lea = {static_cast<std::uint8_t>(0x48U | high << 2U | high),
                                             0x8d,
                                             static_cast<std::uint8_t>(0x80U | low << 3U | low)};
    emit(lea.data(), lea.size());
    if (low == 4) emit("\x24", 1);  // r12 as a base needs another byte
    emit(&back, sizeof(back));
  }
  if (instruction.two_accesses) {
    emit("\xcc", 1);
    instruction.breakpoint = reinterpret_cast<std::uintptr_t>(copies_ + used_);
    breakpoints_[instruction.breakpoint] = &instruction;
    return;
  }
  const std::uint64_t next = instruction.address + instruction.size;
  emit("\xff\x25\0\0\0\0", 6);  // jmp to the address behind it
  emit(&next, sizeof(next));
}

}  // namespace fsqlshm::step
