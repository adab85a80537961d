#include "header.h"

namespace fsqlshm::relacy {

void Header::reach(std::string_view outcome) {
  for (std::size_t i = 0; i < reached_.size(); ++i) {
    if ((*outcomes_)[i] != outcome) continue;
    ++reached_[i];
    return;
  }
  checker_.fail(kBadScenario, "it reaches \"{}\", which it does not declare", outcome);
}

// --- For `before` -----------------------------------------------------------------------------

void Header::init_writer() {
  for (const Field field :
       {Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
        Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry}) {
    checker_.init(field, 0);
  }
  writer_.reset({.strict = strict_, .honest_busy = honest_busy_});
}

void Header::init_snapshot(bool whole, bool in_turn) {
  checker_.init(Field::kSnapshotSeq, whole ? 0 : 1);
  checker_.init(Field::kCommitSeq, triple(0).commit_seq.get());
  checker_.init(Field::kSchemaEpoch, triple(whole ? 0 : 1).schema_epoch.get());
  checker_.init(Field::kEcsEpoch, triple(0).ecs_epoch);
  snapshot_.reset(whole, in_turn);
}

void Header::init_ids(std::uint64_t next) {
  checker_.init(Field::kNextTxnId, next);
  ids_.reset();
}

void Header::init_horizon() {
  checker_.init(Field::kGcHorizon, 0);
  horizon_.reset();
}

// --- Serialized writer ------------------------------------------------------------------------

bool Header::acquire_as(int process, std::uint64_t id, std::uint64_t lease, bool known_birth) {
  ProcessIdentity who = Checker::identity(process);
  if (!known_birth) who.birth = 0;
  writer_.acquire_begins(id, process, who, lease);
  const bool acquired = do_acquire(*TxnId::from_raw(id), who, lease);
  writer_.acquire_ends(id, acquired);
  return acquired;
}

bool Header::release(std::uint64_t id) {
  writer_.release_begins(id);
  const bool released = do_release(*TxnId::from_raw(id));
  writer_.release_ends(id, released);
  return released;
}

Exclusion Header::check(std::uint64_t now) {
  writer_.check_begins(now);
  const Exclusion answer = do_check(now);
  writer_.check_ends(answer);
  return answer;
}

bool Header::check_evicts(std::uint64_t now) {
  const unsigned before = writer_.evictions();
  check(now);
  return writer_.evictions() > before;
}

std::optional<TxnId> Header::look() {
  writer_.look_begins();
  const std::optional<TxnId> owner = do_look();
  writer_.look_ends(owner);
  return owner;
}

void Header::finish_writer() {
  if (checker_.deaths() == 0 && checker_.newest(Field::kSerializedWriterTxnId) == 0) {
    writer_.at_rest();
  } else {
    writer_.repaired(check(kEnd));
  }
}

// --- Seqlock ----------------------------------------------------------------------------------

void Header::publish(unsigned version, bool reconcile) {
  snapshot_.publish_begins(version);
  do_publish(triple(version), reconcile);
  snapshot_.publish_ends(version);
}

ShmSnapshot Header::load() {
  snapshot_.load_begins();
  const ShmSnapshot snapshot = do_load();
  snapshot_.load_ends(snapshot);
  return snapshot;
}

Header::Attempt Header::try_load() {
  const unsigned before = checker_.operations();
  snapshot_.load_begins();
  Attempt attempt{.snapshot = do_try_load()};
  snapshot_.load_ends(attempt.snapshot);
  if (attempt.snapshot) return attempt;
  const ShmSnapshot read = {CommitSeq(checker_.observed_value(Field::kCommitSeq)),
                            SchemaEpoch(checker_.observed_value(Field::kSchemaEpoch)),
                            checker_.observed_value(Field::kEcsEpoch)};
  attempt.refusal = checker_.operations() - before == 1 ? Refusal::kOdd
                    : read != triple(read.commit_seq.get() - triple(0).commit_seq.get())
                        ? Refusal::kTorn
                        : Refusal::kChanged;
  return attempt;
}

unsigned Header::load_field(Field field) {
  return snapshot_.field_loaded(field, do_load_field(field));
}

// --- Counters ---------------------------------------------------------------------------------

std::optional<TxnId> Header::alloc() {
  ids_.alloc_begins();
  const std::optional<TxnId> id = do_alloc();
  ids_.alloc_ends(id);
  return id;
}

void Header::store_horizon(unsigned value) {
  horizon_.store_begins(value);
  do_store_horizon(value);
}

std::uint64_t Header::load_horizon() {
  const std::uint64_t value = do_load_field(Field::kGcHorizon);
  horizon_.loaded(value);
  return value;
}

// --- For what runs the scenario ---------------------------------------------------------------

void Header::wrote(Field field, std::uint64_t old_value, std::uint64_t new_value) {
  if (field == Field::kNextTxnId) ids_.wrote(old_value, new_value);
  if (field >= Field::kSerializedWriterTxnId) writer_.wrote(field, old_value, new_value);
}

void Header::unordered_store(Field field) {
  writer_.unordered_store(field);
  snapshot_.unordered_store(field);
}

}  // namespace fsqlshm::relacy
