// The header's operations as a subject's functions, with the oracles around them.

#ifndef FSQLSHM_STRESS_STEP_SUBJECT_HEADER_H_
#define FSQLSHM_STRESS_STEP_SUBJECT_HEADER_H_

#include <string>
#include <vector>

#include "harness/scenarios/header.h"
#include "harness/subject.h"
#include "stress/step/execution.h"

namespace fsqlshm::step {

/// Our own protocol, as the library exports it.
[[nodiscard]] bool is_our_hardened(const harness::Subject& subject);

class SubjectHeader final : public Header {
 public:
  /// Our own protocol `hardened` is held to what it promises beyond fsqlshm.h; other subjects, mutants
  /// among them, are judged by the consequences.
  /// What it calls it says to `doing`.
  SubjectHeader(SteppedExecution& execution, const harness::Subject& subject, harness::Doing& doing,
                const std::vector<std::string>& outcomes);

 private:
  bool do_acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) override;
  bool do_release(TxnId id) override;
  Exclusion do_check(std::uint64_t now, harness::Liveness liveness) override;
  bool beyond_the_published() const override { return !is_published(); }
  bool do_clear(std::uint64_t state) override;
  std::optional<TxnId> do_look() override;
  void do_publish(const ShmSnapshot& next, bool reconcile) override;
  ShmSnapshot do_load() override;
  std::optional<ShmSnapshot> do_try_load(unsigned attempts) override;
  std::uint64_t do_load_field(Field field) override;
  std::optional<TxnId> do_alloc() override;
  void do_store_horizon(std::uint64_t value) override;

  [[nodiscard]] fsqlshm_header* header() const { return stepped_.machine().header(); }
  [[nodiscard]] fsqlshm_process self() const;
  template <class Call>
  auto call(const char* name, const Call& function);

  SteppedExecution& stepped_;
  const harness::Subject& subject_;
  harness::Doing& doing_;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_SUBJECT_HEADER_H_
