#include "harness/subject_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "harness/subject.h"

namespace fsqlshm::harness {
namespace {

constexpr std::byte kCanary{0xa5};

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

SubjectMemory::SubjectMemory(const Subject& subject)
    : SubjectMemory(subject.header_size(), subject.alignment()) {}

SubjectMemory::SubjectMemory(std::size_t size, std::size_t alignment) : size_(size) {
  const std::size_t page = page_size();
  // One page more than the header takes, so that there is something to watch before it.
  pages_ = (size + page - 1) / page * page + page;
  void* const memory = ::mmap(nullptr, pages_ + 2 * page, PROT_NONE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "cannot map");
  base_ = static_cast<std::byte*>(memory);
  std::byte* const first = base_ + page;
  if (::mprotect(first, pages_, PROT_READ | PROT_WRITE) != 0) {
    const int error = errno;
    ::munmap(base_, pages_ + 2 * page);
    throw std::system_error(error, std::generic_category(), "cannot map");
  }
  std::memset(first, static_cast<int>(kCanary), pages_);
  object_ = first + (pages_ - size) / alignment * alignment;
}

SubjectMemory::SubjectMemory(SubjectMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      pages_(other.pages_),
      object_(other.object_),
      size_(other.size_) {}

SubjectMemory::~SubjectMemory() {
  if (base_ != nullptr) ::munmap(base_, pages_ + 2 * page_size());
}

std::uint64_t SubjectMemory::load(const Subject& subject, Field field) const noexcept {
  auto& word = *reinterpret_cast<std::uint64_t*>(object_ + subject.offset_of(field));
  return std::atomic_ref(word).load(std::memory_order::relaxed);
}

void SubjectMemory::store(const Subject& subject, Field field, std::uint64_t value) const noexcept {
  auto& word = *reinterpret_cast<std::uint64_t*>(object_ + subject.offset_of(field));
  std::atomic_ref(word).store(value, std::memory_order::relaxed);
}

std::optional<std::string> SubjectMemory::written_outside() const {
  const std::byte* const first = base_ + page_size();
  // Fuzzing asks after every input.
  const auto untouched = [](const std::byte* from, const std::byte* to) {
    static const std::vector<std::byte> kCanaries(4 * page_size(), kCanary);
    return std::memcmp(from, kCanaries.data(), static_cast<std::size_t>(to - from)) == 0;
  };
  if (untouched(first, object_) && untouched(object_ + size_, first + pages_)) return std::nullopt;
  for (const std::byte* at = first; at != first + pages_; ++at) {
    if (at == object_) at += size_;
    if (at == first + pages_) break;
    if (*at != kCanary) return fmt::format("it wrote {}", *describe(at));
  }
  return std::nullopt;
}

std::optional<std::string> SubjectMemory::describe(const void* address) const {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto base = reinterpret_cast<std::uintptr_t>(base_);
  const auto object = reinterpret_cast<std::uintptr_t>(object_);
  if (at < base || at >= base + pages_ + 2 * page_size()) return std::nullopt;
  if (at < object) return fmt::format("{} bytes before its header", object - at);
  if (at < object + size_) return fmt::format("at offset {} of its header", at - object);
  return fmt::format("{} bytes behind the end of its header", at - (object + size_));
}

Finding call_did_not_return(const GuardedFailure& failure, const SubjectMemory& memory,
                            std::string replay) {
  std::string detail = failure.text();
  if (!failure.context.empty()) detail = fmt::format("{}: {}", failure.context, detail);
  const auto place =
      failure.address != nullptr ? memory.describe(failure.address) : std::optional<std::string>();
  if (place) detail += fmt::format(", touching {}", *place);
  return {
      .severity = "violation",
      .property = place ? "a subject stays inside of its header" : std::string(failure.property()),
      .title = failure.what(),
      .detail = detail,
      .replay = std::move(replay)};
}

std::optional<Finding> wrote_outside(const SubjectMemory& memory, std::string replay) {
  const auto outside = memory.written_outside();
  if (!outside) return std::nullopt;
  return Finding{.severity = "violation",
                 .property = "a subject stays inside of its header",
                 .title = "bytes next to the header were written",
                 .detail = *outside,
                 .replay = std::move(replay)};
}

}  // namespace fsqlshm::harness
