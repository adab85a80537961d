// System calls in words, for traces.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/src/byte_locks.h"
#include "fsqlshm/wire_format.h"
#include "stress/world/tracer.h"

namespace fsqlshm::world {
namespace {

// How an argument is shown: d a descriptor, p a path, o flags of open, c a command of fcntl and the
// lock behind it, a an advice, n a number, x hexadecimal.
struct CallText {
  long number;
  const char* name;
  const char* arguments;
};

constexpr CallText kCalls[] = {
    {SYS_openat, "openat", "dpo"},
    {SYS_close, "close", "d"},
    {SYS_newfstatat, "newfstatat", "dp"},
    {SYS_fstat, "fstat", "d"},
    {SYS_fcntl, "fcntl", "dc"},
    {SYS_pread64, "pread64", "d nn"},
    {SYS_pwrite64, "pwrite64", "d nn"},
    {SYS_read, "read", "d n"},
    {SYS_write, "write", "d n"},
    {SYS_mmap, "mmap", "xnnxd"},
    {SYS_munmap, "munmap", "xn"},
    {SYS_madvise, "madvise", "xna"},
    {SYS_msync, "msync", "xn"},
    {SYS_fsync, "fsync", "d"},
    {SYS_ioctl, "ioctl", "dx"},
    {SYS_fchmod, "fchmod", "dx"},
    {SYS_fchown, "fchown", "dnn"},
    {SYS_fallocate, "fallocate", "dnnn"},
    {SYS_fstatfs, "fstatfs", "d"},
    {SYS_linkat, "linkat", "dpdp"},
    {SYS_renameat, "renameat", "dpdp"},
    {SYS_unlinkat, "unlinkat", "dp"},
    {SYS_access, "access", "p"},
    {SYS_getpid, "getpid", ""},
    {SYS_getrandom, "getrandom", " n"},
    {SYS_futex, "futex", ""},
    {SYS_prlimit64, "prlimit64", ""},
    {SYS_clock_nanosleep, "clock_nanosleep", ""},
    {SYS_sched_yield, "sched_yield", ""},
    {SYS_brk, "brk", "x"},
    {SYS_rt_sigprocmask, "rt_sigprocmask", ""},
    {SYS_gettid, "gettid", ""},
    {SYS_mprotect, "mprotect", "xn"},
};

struct Named {
  std::uint64_t value;
  const char* name;
};

constexpr Named kErrors[] = {
    {EPERM, "EPERM"},   {ENOENT, "ENOENT"}, {EINTR, "EINTR"},   {EIO, "EIO"},
    {EBADF, "EBADF"},   {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"},
    {EEXIST, "EEXIST"}, {EINVAL, "EINVAL"}, {ENFILE, "ENFILE"}, {EMFILE, "EMFILE"},
    {ENOSPC, "ENOSPC"}, {EDQUOT, "EDQUOT"}, {ENOSYS, "ENOSYS"}, {EOPNOTSUPP, "EOPNOTSUPP"},
    {ENOLCK, "ENOLCK"}, {EBUSY, "EBUSY"},
};

constexpr Named kOpenFlags[] = {
    {O_CREAT, "O_CREAT"}, {O_EXCL, "O_EXCL"},         {O_TMPFILE, "O_TMPFILE"},
    {O_PATH, "O_PATH"},   {O_NOFOLLOW, "O_NOFOLLOW"}, {O_TRUNC, "O_TRUNC"},
};

std::string open_flags(std::uint64_t flags) {
  std::string text = (flags & O_ACCMODE) == O_RDWR ? "O_RDWR" : "O_RDONLY";
  for (const auto& [value, name] : kOpenFlags) {
    if ((flags & value) == value) text += fmt::format("|{}", name);
  }
  return text;
}

std::string lock_text(std::uint64_t command, std::uint64_t address, const Tracer& tracer) {
  const char* const name = command == F_OFD_SETLK    ? "F_OFD_SETLK"
                           : command == F_OFD_SETLKW ? "F_OFD_SETLKW"
                           : command == F_OFD_GETLK  ? "F_OFD_GETLK"
                                                     : nullptr;
  if (name == nullptr) return fmt::format("{}", command);
  struct flock lock = {};
  if (!tracer.read(address, &lock, sizeof lock)) return name;
  const char* const kind = lock.l_type == F_WRLCK   ? "write"
                           : lock.l_type == F_RDLCK ? "read"
                                                    : "unlock";
  using internal::kEstablishedBytes;
  using internal::kNameBytes;
  using internal::kOpenByte;
  using internal::kPublicationByte;
  const bool range = lock.l_len != 1;
  std::string where = fmt::format("byte {}", lock.l_start);
  if (lock.l_start == kOpenByte.offset) where = "OPEN";
  if (lock.l_start == kPublicationByte.offset) where = "PUBLICATION";
  if (lock.l_start >= kEstablishedBytes.offset) where = range ? "any ESTABLISHED" : "ESTABLISHED";
  if (lock.l_start >= kNameBytes.offset) where = range ? "any NAME" : "NAME";
  return fmt::format("{}, {} {}", name, kind, where);
}

std::string file_of(std::uint64_t fd, const Tracer& tracer) {
  const int number = static_cast<int>(fd);
  if (number == AT_FDCWD) return "AT_FDCWD";
  std::error_code none;
  const auto path =
      std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", tracer.process(), number), none);
  return none ? fmt::format("{}", number) : fmt::format("{}<{}>", number, path.filename().string());
}

std::string argument_text(char how, const Stop& stop, std::size_t index, const Tracer& tracer) {
  const std::uint64_t value = stop.arguments[index];
  switch (how) {
    case 'd':
      return file_of(value, tracer);
    case 'p':
      return '"' + std::filesystem::path(tracer.text_at(value)).filename().string() + '"';
    case 'o':
      return open_flags(value);
    case 'c':
      return lock_text(value, stop.arguments[index + 1], tracer);
    case 'a':
      return value == MADV_DONTFORK     ? "MADV_DONTFORK"
             : value == MADV_WIPEONFORK ? "MADV_WIPEONFORK"
                                        : fmt::format("{}", value);
    case 'x':
      return fmt::format("{:#x}", value);
    default:
      return fmt::format("{}", static_cast<std::int64_t>(value));
  }
}

const CallText* text_of(long number) {
  for (const CallText& call : kCalls) {
    if (call.number == number) return &call;
  }
  return nullptr;
}

}  // namespace

std::string errno_name(int error) {
  for (const auto& [value, name] : kErrors) {
    if (value == static_cast<std::uint64_t>(error)) return name;
  }
  return fmt::format("errno {}", error);
}

std::string call_name(long number) {
  const CallText* const call = text_of(number);
  return call != nullptr ? call->name : fmt::format("call {}", number);
}

std::string name_of(const Stop& stop) {
  if (stop.kind == Stop::Kind::kGone) return "gone";
  if (stop.kind == Stop::Kind::kBlocked) return "blocked in " + call_name(stop.number);
  if (stop.is(Marker::kStep)) return std::string(field_name(static_cast<Field>(stop.arguments[1])));
  if (stop.is(Marker::kRecover)) return "recover";
  if (stop.marker()) return stop.is(Marker::kBegin) ? "begin" : "end";
  return call_name(stop.number) + (stop.kind == Stop::Kind::kExit ? " done" : "");
}

std::string describe(const Stop& stop, const Tracer& tracer) {
  if (stop.kind == Stop::Kind::kGone) return "the thread is over";
  if (stop.kind == Stop::Kind::kBlocked) return "waits in " + call_name(stop.number);
  if (stop.is(Marker::kStep)) return "step: " + name_of(stop);
  if (stop.marker()) return name_of(stop);
  if (stop.kind == Stop::Kind::kExit) {
    return stop.result < 0 && stop.result > -4096
               ? fmt::format("  = -{}", errno_name(static_cast<int>(-stop.result)))
               : fmt::format("  = {:#x}", stop.result);
  }
  const CallText* const call = text_of(stop.number);
  if (call == nullptr) return call_name(stop.number);
  std::string text;
  for (std::size_t i = 0; i < std::strlen(call->arguments); ++i) {
    if (call->arguments[i] == ' ') continue;
    text += (text.empty() ? "" : ", ") + argument_text(call->arguments[i], stop, i, tracer);
  }
  return fmt::format("{}({})", call->name, text);
}

}  // namespace fsqlshm::world
