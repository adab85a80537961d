#include "stress/step/subject_header.h"

#include <csetjmp>
#include <type_traits>
#include <utility>

#include "harness/c_types.h"

namespace fsqlshm::step {
namespace {

using harness::from_c;
using harness::to_c;

// 0 and what is outside of the domain are none.
std::optional<TxnId> id_of(std::uint64_t raw) {
  const auto id = TxnId::from_raw(raw);
  return id ? std::optional(*id) : std::nullopt;
}

bool ask(void* context, std::uint32_t pid, std::uint64_t birth) {
  return static_cast<SteppedExecution*>(context)->asked(pid, birth);
}

// Whether it has what the published protocol lacks: states that can be taken over, `clear`, and an idea of
// certainty.
bool goes_beyond_the_published(const harness::Subject& subject) {
  return subject.promises(FSQLSHM_CERTAINTY) && subject->clear_serialized_writer != nullptr;
}

}  // namespace

bool is_our_hardened(const harness::Subject& subject) {
  return subject.implementation().starts_with("fsqlshm ") &&
         subject.implementation().ends_with(" hardened");
}

SubjectHeader::SubjectHeader(SteppedExecution& execution, const harness::Subject& subject,
                             harness::Doing& doing, const std::vector<std::string>& outcomes)
    : Header(execution, is_our_hardened(subject), goes_beyond_the_published(subject), false,
             outcomes),
      stepped_(execution),
      subject_(subject),
      doing_(doing) {}

template <class Call>
auto SubjectHeader::call(const char* name, const Call& function) {
  doing_(name);
  stepped_.call_begins();
  if constexpr (std::is_void_v<decltype(function())>) {
    function();
    stepped_.call_ends();
  } else {
    const auto result = function();
    stepped_.call_ends();
    return result;
  }
}

fsqlshm_process SubjectHeader::self() const {
  return to_c(harness::ScenarioExecution::identity(stepped_.process()));
}

bool SubjectHeader::do_acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) {
  return call("fsqlshm_header_acquire_serialized_writer", [&] {
    return subject_->acquire_serialized_writer(header(), id.get(), to_c(who), lease);
  });
}

bool SubjectHeader::do_release(TxnId id) {
  return call("fsqlshm_header_release_serialized_writer",
              [&] { return subject_->release_serialized_writer(header(), id.get()); });
}

Exclusion SubjectHeader::do_check(std::uint64_t now, harness::Liveness liveness) {
  const fsqlshm_liveness who_lives = {
      .alive = ask, .context = &stepped_, .certain = liveness == harness::Liveness::kCertain};
  const fsqlshm_process self = this->self();
  const auto answer = call("fsqlshm_header_check_serialized_writer_exclusion", [&] {
    return subject_->check_serialized_writer_exclusion(header(), now, self, &who_lives);
  });
  return answer == FSQLSHM_BUSY ? Exclusion::kBusy : Exclusion::kOk;
}

bool SubjectHeader::do_clear(std::uint64_t state) {
  const fsqlshm_process self = this->self();
  return call("fsqlshm_header_clear_serialized_writer",
              [&] { return subject_->clear_serialized_writer(header(), state, self); });
}

std::optional<TxnId> SubjectHeader::do_look() {
  return id_of(call("fsqlshm_header_check_serialized_writer",
                    [&] { return subject_->check_serialized_writer(header()); }));
}

void SubjectHeader::do_publish(const ShmSnapshot& next, bool reconcile) {
  call(reconcile ? "fsqlshm_header_reconcile" : "fsqlshm_header_publish_snapshot", [&] {
    reconcile ? subject_->reconcile(header(), to_c(next))
              : subject_->publish_snapshot(header(), to_c(next));
  });
}

ShmSnapshot SubjectHeader::do_load() {
  return from_c(call("fsqlshm_header_load_consistent_snapshot",
                     [&] { return subject_->load_consistent_snapshot(header()); }));
}

std::optional<ShmSnapshot> SubjectHeader::do_try_load(unsigned attempts) {
  if (subject_->try_load_consistent_snapshot != nullptr) {
    fsqlshm_snapshot snapshot{};
    const bool loaded = call("fsqlshm_header_try_load_consistent_snapshot", [&] {
      return subject_->try_load_consistent_snapshot(header(), attempts, &snapshot);
    });
    return loaded ? std::optional(from_c(snapshot)) : std::nullopt;
  }
  // Its loop ends where a second attempt would begin.
  stepped_.only_one_attempt(true);
  std::optional<ShmSnapshot> found;
  // NOLINTNEXTLINE(cert-err52-cpp): out of a function of any language, which has nothing to destroy
  if (setjmp(stepped_.end_of_attempt()) == 0) {
    found = do_load();
  } else {
    stepped_.call_ends();
  }
  stepped_.only_one_attempt(false);
  return found;
}

std::uint64_t SubjectHeader::do_load_field(Field field) {
  std::pair load("fsqlshm_header_load_gc_horizon", subject_->load_gc_horizon);
  if (field == Field::kCommitSeq) {
    load = {"fsqlshm_header_load_commit_seq", subject_->load_commit_seq};
  } else if (field == Field::kSchemaEpoch) {
    load = {"fsqlshm_header_load_schema_epoch", subject_->load_schema_epoch};
  } else if (field == Field::kEcsEpoch) {
    load = {"fsqlshm_header_load_ecs_epoch", subject_->load_ecs_epoch};
  }
  return call(load.first, [&] { return load.second(header()); });
}

std::optional<TxnId> SubjectHeader::do_alloc() {
  return id_of(
      call("fsqlshm_header_alloc_txn_id", [&] { return subject_->alloc_txn_id(header()); }));
}

void SubjectHeader::do_store_horizon(std::uint64_t value) {
  call("fsqlshm_header_store_gc_horizon", [&] { subject_->store_gc_horizon(header(), value); });
}

}  // namespace fsqlshm::step
