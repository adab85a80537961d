#include <ck_sequence.h>

#include "subjects.h"

namespace fsqlshm::bench {
namespace {

struct alignas(64) CkMemory {
  ck_sequence_t sequence{};
  Triple triple{};
};

class CkSequence : public Handle<CkSequence, CkMemory> {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "ck_sequence",
      .source = "Concurrency Kit, ck_sequence.h",
      .call = "CK_SEQUENCE_READ around a copy, ck_sequence_write_begin and _end",
      .adds = "values of any trivially copyable type",
      .lacks =
          "one publisher at a time; a reader waits without bound for a publisher that died; the "
          "number has 32 bits; plain copies, a data race by the letter of C11 and C++",
      .peer = true};
  using Handle::Handle;

  [[nodiscard, gnu::always_inline]] Triple read() const noexcept {
    Triple triple;
    unsigned int version = 0;
    CK_SEQUENCE_READ(&memory_->sequence, &version) { triple = memory_->triple; }
    return triple;
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    const unsigned int version = ck_sequence_read_begin(&memory_->sequence);
    triple = memory_->triple;
    return !ck_sequence_read_retry(&memory_->sequence, version);
  }
  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    ck_sequence_write_begin(&memory_->sequence);
    memory_->triple = triple;
    ck_sequence_write_end(&memory_->sequence);
  }
};

[[maybe_unused]] const bool kAdded = add_subject<CkSequence>();

}  // namespace
}  // namespace fsqlshm::bench
