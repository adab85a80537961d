#include "harness/scenarios/header.h"

namespace fsqlshm::harness {

void Header::reach(std::string_view outcome) {
  if (!execution_.judging()) return;
  for (std::size_t i = 0; i < reached_.size(); ++i) {
    if (outcomes_[i] != outcome) continue;
    ++reached_[i];
    return;
  }
  execution_.fail(kBadScenario, "it reaches \"{}\", which it does not declare", outcome);
}

void Header::init_writer(bool honest_busy) {
  for (const Field field :
       {Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
        Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry}) {
    execution_.init(field, 0);
  }
  writer_.reset({.strict = strict_, .honest_busy = strict_ || honest_busy});
}

void Header::init_snapshot(bool whole, bool in_turn) {
  execution_.init(Field::kSnapshotSeq, whole ? 0 : 1);
  execution_.init(Field::kCommitSeq, triple(0).commit_seq.get());
  execution_.init(Field::kSchemaEpoch, triple(whole ? 0 : 1).schema_epoch.get());
  execution_.init(Field::kEcsEpoch, triple(0).ecs_epoch);
  snapshot_.reset(whole, in_turn);
}

void Header::init_ids(std::uint64_t next) {
  execution_.init(Field::kNextTxnId, next);
  ids_.reset();
}

void Header::init_horizon() {
  execution_.init(Field::kGcHorizon, 0);
  horizon_.reset();
}

void Header::init_publication_lock() { execution_.init(Field::kGcHorizon, 0); }

bool Header::acquire_as(int process, std::uint64_t id, std::uint64_t lease, Named named) {
  return JudgedHeader::acquire(id, process, as_named(ScenarioExecution::identity(process), named),
                               lease);
}

bool Header::check_evicts(std::uint64_t now) {
  const unsigned before = writer_.evictions();
  check(now);
  return writer_.evictions() > before;
}

bool Header::publish_fenced(unsigned version, std::uint64_t writer) {
  const auto is_writer = [&] { return do_look() == TxnId::from_raw(writer).value(); };
  const bool early = fence_before_lock_ && is_writer();
  execution_.lock_publication();
  const bool allowed = fence_before_lock_ ? early : is_writer();
  if (allowed) publish(version);
  execution_.unlock_publication();
  return allowed;
}

Header::Attempt Header::try_load() {
  const unsigned before = execution_.operations();
  Attempt attempt{.snapshot = JudgedHeader::try_load(1)};
  if (attempt.snapshot) return attempt;
  const ShmSnapshot read = {CommitSeq(execution_.observed_value(Field::kCommitSeq)),
                            SchemaEpoch(execution_.observed_value(Field::kSchemaEpoch)),
                            execution_.observed_value(Field::kEcsEpoch)};
  attempt.refusal = execution_.operations() - before == 1 ? Refusal::kOdd
                    : read != triple(read.commit_seq.get() - triple(0).commit_seq.get())
                        ? Refusal::kTorn
                        : Refusal::kChanged;
  return attempt;
}

void Header::finish_writer() {
  if (execution_.deaths() == 0 && execution_.newest(Field::kSerializedWriterTxnId) == 0) {
    writer_.at_rest();
  } else {
    repair(kEnd);
  }
}

}  // namespace fsqlshm::harness
