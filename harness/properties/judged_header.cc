#include "harness/properties/judged_header.h"

#include "harness/random.h"

namespace fsqlshm::harness {

bool JudgedHeader::acquire(std::uint64_t id, int process, ProcessIdentity who,
                           std::uint64_t lease) {
  execution_.before_call();
  if (!execution_.judging()) return do_acquire(*TxnId::from_raw(id), who, lease);
  writer_.acquire_begins(id, process, who, lease);
  const bool acquired = do_acquire(*TxnId::from_raw(id), who, lease);
  writer_.acquire_ends(id, acquired);
  return acquired;
}

bool JudgedHeader::release(std::uint64_t id) {
  execution_.before_call();
  if (!execution_.judging()) return do_release(*TxnId::from_raw(id));
  writer_.release_begins(id);
  const bool released = do_release(*TxnId::from_raw(id));
  writer_.release_ends(id, released);
  return released;
}

Exclusion JudgedHeader::check(std::uint64_t now, Liveness liveness) {
  execution_.before_call();
  if (!execution_.judging()) return do_check(now, liveness);
  writer_.check_begins(now, liveness == Liveness::kCertain && beyond_the_published());
  const Exclusion answer = do_check(now, liveness);
  writer_.check_ends(answer);
  return answer;
}

bool JudgedHeader::clear(std::uint64_t state) {
  execution_.before_call();
  if (!execution_.judging()) return do_clear(state);
  writer_.clear_begins(state);
  const bool cleared = do_clear(state);
  writer_.clear_ends(state, cleared);
  return cleared;
}

std::optional<TxnId> JudgedHeader::look() {
  execution_.before_call();
  if (!execution_.judging()) return do_look();
  writer_.look_begins();
  const std::optional<TxnId> owner = do_look();
  writer_.look_ends(owner);
  return owner;
}

bool JudgedHeader::repair(std::uint64_t now) {
  Exclusion answer = check(now);
  if (writer_.left_by_the_unknown()) {
    if (!beyond_the_published()) return false;
    const std::uint64_t state = execution_.newest(Field::kSerializedWriterTxnId);
    if (!clear(state)) {
      execution_.violated({.property = kP4,
                           .rule = "what nothing can judge is not even cleared",
                           .detail = {},
                           .defect = {}});
    }
    answer = check(now);
  }
  writer_.repaired(answer);
  return true;
}

void JudgedHeader::publish(unsigned version, bool reconcile) {
  execution_.before_call();
  if (!execution_.judging()) return do_publish(triple(version), reconcile);
  snapshot_.publish_begins(version);
  do_publish(triple(version), reconcile);
  snapshot_.publish_ends(version);
}

ShmSnapshot JudgedHeader::load() {
  execution_.before_call();
  if (!execution_.judging()) return do_load();
  snapshot_.load_begins();
  const ShmSnapshot snapshot = do_load();
  snapshot_.load_ends(snapshot);
  return snapshot;
}

std::optional<ShmSnapshot> JudgedHeader::try_load(unsigned attempts) {
  execution_.before_call();
  if (!execution_.judging()) return do_try_load(attempts);
  snapshot_.load_begins();
  const std::optional<ShmSnapshot> snapshot = do_try_load(attempts);
  snapshot_.load_ends(snapshot);
  return snapshot;
}

std::optional<TxnId> JudgedHeader::alloc() {
  execution_.before_call();
  if (!execution_.judging()) return do_alloc();
  ids_.alloc_begins();
  const std::optional<TxnId> id = do_alloc();
  ids_.alloc_ends(id);
  return id;
}

void JudgedHeader::store_horizon(unsigned value) {
  execution_.before_call();
  if (!execution_.judging()) return do_store_horizon(value);
  horizon_.store_begins(value);
  do_store_horizon(value);
}

std::uint64_t JudgedHeader::load_horizon() {
  execution_.before_call();
  if (!execution_.judging()) return do_load_field(Field::kGcHorizon);
  const std::uint64_t value = do_load_field(Field::kGcHorizon);
  horizon_.loaded(value);
  return value;
}

unsigned JudgedHeader::load_field(Field field) {
  execution_.before_call();
  if (!execution_.judging()) return SnapshotOracle::version_of(field, do_load_field(field));
  return snapshot_.field_loaded(field, do_load_field(field));
}

std::uint64_t JudgedHeader::fingerprint() const {
  return mix(mix(writer_.fingerprint() ^ snapshot_.fingerprint()) ^ ids_.fingerprint());
}

void JudgedHeader::wrote(Field field, std::uint64_t old_value, std::uint64_t new_value) {
  if (field == Field::kNextTxnId) ids_.wrote(old_value, new_value);
  if (field >= Field::kSerializedWriterTxnId) writer_.wrote(field, old_value, new_value);
}

void JudgedHeader::unordered_store(Field field) {
  writer_.unordered_store(field);
  snapshot_.unordered_store(field);
}

}  // namespace fsqlshm::harness
