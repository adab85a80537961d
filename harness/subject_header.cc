#include "harness/subject_header.h"

#include "harness/c_types.h"

namespace fsqlshm::harness {
namespace {

std::expected<void, fsqlshm_error> outcome(fsqlshm_code code, fsqlshm_error error) {
  if (code == FSQLSHM_OK) return {};
  error.code = code;  // what counts is what was returned
  return std::unexpected(error);
}

class Surrounded {
 public:
  explicit Surrounded(const CallSurroundings& surroundings)
      : after_(surroundings.before != nullptr && surroundings.before() ? surroundings.after
                                                                       : nullptr) {}
  Surrounded(const Surrounded&) = delete;
  Surrounded& operator=(const Surrounded&) = delete;
  ~Surrounded() {
    if (after_ != nullptr) after_();
  }

 private:
  void (*after_)();
};

}  // namespace

template <class Function, class... Arguments>
auto SubjectHeader::call(const char* name, Function function, Arguments... arguments) const {
  doing_(name);
  auto* const header = memory_.header();
  const Surrounded surrounded(surroundings_);
  return function(header, arguments...);
}

std::expected<void, fsqlshm_error> SubjectHeader::create(std::uint32_t page_size,
                                                         std::uint32_t max_txn_slots) {
  fsqlshm_error error{};
  const fsqlshm_code code =
      call("fsqlshm_header_create", subject_->create, page_size, max_txn_slots, &error);
  return outcome(code, error);
}

std::expected<void, fsqlshm_error> SubjectHeader::open(std::span<const std::byte> bytes) {
  fsqlshm_error error{};
  const fsqlshm_code code =
      call("fsqlshm_header_open", subject_->open, bytes.data(), bytes.size(), &error);
  return outcome(code, error);
}

HeaderBytes SubjectHeader::to_bytes() const {
  HeaderBytes bytes{};
  call("fsqlshm_header_to_bytes", subject_->to_bytes,
       reinterpret_cast<std::uint8_t*>(bytes.data()));
  return bytes;
}

fsqlshm_geometry SubjectHeader::geometry() const {
  fsqlshm_geometry geometry{};
  call("fsqlshm_header_geometry", subject_->geometry, &geometry);
  return geometry;
}

void SubjectHeader::begin_snapshot_publish() {
  call("fsqlshm_header_begin_snapshot_publish", subject_->begin_snapshot_publish);
}

void SubjectHeader::end_snapshot_publish() {
  call("fsqlshm_header_end_snapshot_publish", subject_->end_snapshot_publish);
}

void SubjectHeader::publish_snapshot(const ShmSnapshot& next) {
  call("fsqlshm_header_publish_snapshot", subject_->publish_snapshot, to_c(next));
}

void SubjectHeader::reconcile(const ShmSnapshot& durable) {
  call("fsqlshm_header_reconcile", subject_->reconcile, to_c(durable));
}

ShmSnapshot SubjectHeader::load_consistent_snapshot() const {
  return from_c(
      call("fsqlshm_header_load_consistent_snapshot", subject_->load_consistent_snapshot));
}

std::optional<ShmSnapshot> SubjectHeader::try_load_consistent_snapshot(
    std::uint64_t attempts) const {
  fsqlshm_snapshot found{};
  if (!call("fsqlshm_header_try_load_consistent_snapshot", subject_->try_load_consistent_snapshot,
            attempts, &found)) {
    return std::nullopt;
  }
  return from_c(found);
}

bool SubjectHeader::acquire_serialized_writer(TxnId id, ProcessIdentity self,
                                              std::uint64_t lease_expiry) {
  return call("fsqlshm_header_acquire_serialized_writer", subject_->acquire_serialized_writer,
              id.get(), to_c(self), lease_expiry);
}

bool SubjectHeader::release_serialized_writer(TxnId id) {
  return call("fsqlshm_header_release_serialized_writer", subject_->release_serialized_writer,
              id.get());
}

std::uint64_t SubjectHeader::check_serialized_writer() const {
  return call("fsqlshm_header_check_serialized_writer", subject_->check_serialized_writer);
}

fsqlshm_exclusion SubjectHeader::check_serialized_writer_exclusion(
    std::uint64_t now, ProcessIdentity self, const fsqlshm_liveness& liveness) {
  return call("fsqlshm_header_check_serialized_writer_exclusion",
              subject_->check_serialized_writer_exclusion, now, to_c(self), &liveness);
}

std::uint64_t SubjectHeader::alloc_txn_id() {
  return call("fsqlshm_header_alloc_txn_id", subject_->alloc_txn_id);
}

std::uint64_t SubjectHeader::load_commit_seq() const {
  return call("fsqlshm_header_load_commit_seq", subject_->load_commit_seq);
}

std::uint64_t SubjectHeader::load_schema_epoch() const {
  return call("fsqlshm_header_load_schema_epoch", subject_->load_schema_epoch);
}

std::uint64_t SubjectHeader::load_ecs_epoch() const {
  return call("fsqlshm_header_load_ecs_epoch", subject_->load_ecs_epoch);
}

std::uint64_t SubjectHeader::load_gc_horizon() const {
  return call("fsqlshm_header_load_gc_horizon", subject_->load_gc_horizon);
}

void SubjectHeader::store_gc_horizon(std::uint64_t horizon) {
  call("fsqlshm_header_store_gc_horizon", subject_->store_gc_horizon, horizon);
}

}  // namespace fsqlshm::harness
