#include "header.h"

namespace fsqlshm::relacy {

void Header::reach(std::string_view outcome) {
  for (std::size_t i = 0; i < reached_.size(); ++i) {
    if (outcomes_[i] != outcome) continue;
    ++reached_[i];
    return;
  }
  checker().fail(kBadScenario, "it reaches \"{}\", which it does not declare", outcome);
}

void Header::init_writer(bool honest_busy) {
  for (const Field field :
       {Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
        Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry}) {
    checker().init(field, 0);
  }
  writer_.reset({.strict = strict_, .honest_busy = strict_ || honest_busy});
}

void Header::init_snapshot(bool whole, bool in_turn) {
  checker().init(Field::kSnapshotSeq, whole ? 0 : 1);
  checker().init(Field::kCommitSeq, triple(0).commit_seq.get());
  checker().init(Field::kSchemaEpoch, triple(whole ? 0 : 1).schema_epoch.get());
  checker().init(Field::kEcsEpoch, triple(0).ecs_epoch);
  snapshot_.reset(whole, in_turn);
}

void Header::init_ids(std::uint64_t next) {
  checker().init(Field::kNextTxnId, next);
  ids_.reset();
}

void Header::init_horizon() {
  checker().init(Field::kGcHorizon, 0);
  horizon_.reset();
}

void Header::init_publication_lock() { checker().init(Field::kGcHorizon, 0); }

bool Header::acquire_as(int process, std::uint64_t id, std::uint64_t lease, bool known_birth) {
  ProcessIdentity who = Checker::identity(process);
  if (!known_birth) who.birth = 0;
  return JudgedHeader::acquire(id, process, who, lease);
}

bool Header::check_evicts(std::uint64_t now) {
  const unsigned before = writer_.evictions();
  check(now);
  return writer_.evictions() > before;
}

bool Header::publish_fenced(unsigned version, std::uint64_t writer) {
  const auto is_writer = [&] { return do_look() == TxnId::from_raw(writer).value(); };
  const bool early = fence_before_lock_ && is_writer();
  lock_publication();
  const bool allowed = fence_before_lock_ ? early : is_writer();
  if (allowed) publish(version);
  unlock_publication();
  return allowed;
}

void Header::lock_publication() {
  std::uint64_t free = 0;
  while (!RelacyWords().compare_exchange(Field::kGcHorizon, free, 1, std::memory_order::acquire,
                                         std::memory_order::relaxed)) {
    free = 0;
    RelacyWords().pause();
  }
}

void Header::unlock_publication() {
  RelacyWords().store(Field::kGcHorizon, 0, std::memory_order::release);
}

Header::Attempt Header::try_load() {
  const unsigned before = checker().operations();
  Attempt attempt{.snapshot = JudgedHeader::try_load(1)};
  if (attempt.snapshot) return attempt;
  const ShmSnapshot read = {CommitSeq(checker().observed_value(Field::kCommitSeq)),
                            SchemaEpoch(checker().observed_value(Field::kSchemaEpoch)),
                            checker().observed_value(Field::kEcsEpoch)};
  attempt.refusal = checker().operations() - before == 1 ? Refusal::kOdd
                    : read != triple(read.commit_seq.get() - triple(0).commit_seq.get())
                        ? Refusal::kTorn
                        : Refusal::kChanged;
  return attempt;
}

void Header::finish_writer() {
  if (checker().deaths() == 0 && checker().newest(Field::kSerializedWriterTxnId) == 0) {
    writer_.at_rest();
  } else {
    writer_.repaired(check(kEnd));
  }
}

}  // namespace fsqlshm::relacy
