#include <absl/flags/internal/sequence_lock.h>

#include <array>
#include <atomic>

#include "subjects.h"

namespace fsqlshm::bench {
namespace {

struct alignas(64) AbseilMemory {
  AbseilMemory() { lock.MarkInitialized(); }
  absl::flags_internal::SequenceLock lock;
  std::array<std::atomic<std::uint64_t>, 3> words{};
};

class Abseil : public Handle<Abseil, AbseilMemory> {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "abseil",
      .source = "Abseil, absl::flags_internal::SequenceLock (internal: not meant for users)",
      .call = "TryRead until it succeeds, Write",
      .adds = "any number of bytes, copied by relaxed atomic words",
      .lacks =
          "one publisher at a time; what to do when TryRead fails, also for good after a death",
      .peer = true};
  using Handle::Handle;

  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    return memory_->lock.TryRead(&triple, memory_->words.data(), sizeof(triple));
  }
  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    memory_->lock.Write(memory_->words.data(), &triple, sizeof(triple));
  }
};

[[maybe_unused]] const bool kAdded = add_subject<Abseil>();

}  // namespace
}  // namespace fsqlshm::bench
