#include "harness/subject_header.h"

namespace fsqlshm::harness {
namespace {

fsqlshm_process to_c(ProcessIdentity who) {
  return {.birth = who.birth, .pid = who.pid, .reserved = 0};
}

fsqlshm_snapshot to_c(const ShmSnapshot& snapshot) {
  return {.commit_seq = snapshot.commit_seq.get(),
          .schema_epoch = snapshot.schema_epoch.get(),
          .ecs_epoch = snapshot.ecs_epoch};
}

ShmSnapshot of_c(const fsqlshm_snapshot& snapshot) {
  return {CommitSeq(snapshot.commit_seq), SchemaEpoch(snapshot.schema_epoch), snapshot.ecs_epoch};
}

std::expected<void, fsqlshm_error> outcome(fsqlshm_code code, fsqlshm_error error) {
  if (code == FSQLSHM_OK) return {};
  error.code = code;  // what counts is what was returned
  return std::unexpected(error);
}

}  // namespace

std::expected<void, fsqlshm_error> SubjectHeader::create(std::uint32_t page_size,
                                                         std::uint32_t max_txn_slots) {
  doing_("fsqlshm_header_create");
  fsqlshm_error error{};
  return outcome(subject_->create(memory_.header(), page_size, max_txn_slots, &error), error);
}

std::expected<void, fsqlshm_error> SubjectHeader::open(std::span<const std::byte> bytes) {
  doing_("fsqlshm_header_open");
  fsqlshm_error error{};
  return outcome(subject_->open(memory_.header(), bytes.data(), bytes.size(), &error), error);
}

HeaderBytes SubjectHeader::to_bytes() const {
  doing_("fsqlshm_header_to_bytes");
  HeaderBytes bytes{};
  subject_->to_bytes(memory_.header(), reinterpret_cast<std::uint8_t*>(bytes.data()));
  return bytes;
}

fsqlshm_geometry SubjectHeader::geometry() const {
  doing_("fsqlshm_header_geometry");
  fsqlshm_geometry geometry{};
  subject_->geometry(memory_.header(), &geometry);
  return geometry;
}

void SubjectHeader::begin_snapshot_publish() {
  doing_("fsqlshm_header_begin_snapshot_publish");
  subject_->begin_snapshot_publish(memory_.header());
}

void SubjectHeader::end_snapshot_publish() {
  doing_("fsqlshm_header_end_snapshot_publish");
  subject_->end_snapshot_publish(memory_.header());
}

void SubjectHeader::publish_snapshot(const ShmSnapshot& next) {
  doing_("fsqlshm_header_publish_snapshot");
  subject_->publish_snapshot(memory_.header(), to_c(next));
}

void SubjectHeader::reconcile(const ShmSnapshot& durable) {
  doing_("fsqlshm_header_reconcile");
  subject_->reconcile(memory_.header(), to_c(durable));
}

ShmSnapshot SubjectHeader::load_consistent_snapshot() const {
  doing_("fsqlshm_header_load_consistent_snapshot");
  return of_c(subject_->load_consistent_snapshot(memory_.header()));
}

std::optional<ShmSnapshot> SubjectHeader::try_load_consistent_snapshot(
    std::uint64_t attempts) const {
  doing_("fsqlshm_header_try_load_consistent_snapshot");
  fsqlshm_snapshot found{};
  if (!subject_->try_load_consistent_snapshot(memory_.header(), attempts, &found)) {
    return std::nullopt;
  }
  return of_c(found);
}

bool SubjectHeader::acquire_serialized_writer(TxnId id, ProcessIdentity self,
                                              std::uint64_t lease_expiry) {
  doing_("fsqlshm_header_acquire_serialized_writer");
  return subject_->acquire_serialized_writer(memory_.header(), id.get(), to_c(self), lease_expiry);
}

bool SubjectHeader::release_serialized_writer(TxnId id) {
  doing_("fsqlshm_header_release_serialized_writer");
  return subject_->release_serialized_writer(memory_.header(), id.get());
}

std::uint64_t SubjectHeader::check_serialized_writer() const {
  doing_("fsqlshm_header_check_serialized_writer");
  return subject_->check_serialized_writer(memory_.header());
}

fsqlshm_exclusion SubjectHeader::check_serialized_writer_exclusion(
    std::uint64_t now, ProcessIdentity self, const fsqlshm_liveness& liveness) {
  doing_("fsqlshm_header_check_serialized_writer_exclusion");
  return subject_->check_serialized_writer_exclusion(memory_.header(), now, to_c(self), &liveness);
}

std::uint64_t SubjectHeader::alloc_txn_id() {
  doing_("fsqlshm_header_alloc_txn_id");
  return subject_->alloc_txn_id(memory_.header());
}

std::uint64_t SubjectHeader::load_commit_seq() const {
  doing_("fsqlshm_header_load_commit_seq");
  return subject_->load_commit_seq(memory_.header());
}

std::uint64_t SubjectHeader::load_schema_epoch() const {
  doing_("fsqlshm_header_load_schema_epoch");
  return subject_->load_schema_epoch(memory_.header());
}

std::uint64_t SubjectHeader::load_ecs_epoch() const {
  doing_("fsqlshm_header_load_ecs_epoch");
  return subject_->load_ecs_epoch(memory_.header());
}

std::uint64_t SubjectHeader::load_gc_horizon() const {
  doing_("fsqlshm_header_load_gc_horizon");
  return subject_->load_gc_horizon(memory_.header());
}

void SubjectHeader::store_gc_horizon(std::uint64_t horizon) {
  doing_("fsqlshm_header_store_gc_horizon");
  subject_->store_gc_horizon(memory_.header(), horizon);
}

}  // namespace fsqlshm::harness
