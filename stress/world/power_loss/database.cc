#include "stress/world/power_loss/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "harness/random.h"
#include "stress/register_log.h"

namespace fsqlshm::world::power_loss {
namespace {

constexpr std::uint64_t kCommit = 1;
constexpr std::uint64_t kReserveIds = 2;
constexpr std::uint64_t kIdBatch = 3;
constexpr std::size_t kLogSize = 16384;

struct Record {
  std::uint64_t kind = 0;
  std::uint64_t value = 0;
  std::uint64_t checksum = 0;

  [[nodiscard]] std::uint64_t sum() const { return harness::mix(kind) ^ value; }
};

void expect(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

template <class T>
T expect(std::expected<T, ShmError>&& result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

void Database::make(const std::filesystem::path& folder) {
  const OwnedFd log(
      ::open((folder / kLogName).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kMode));
  expect(log.get() >= 0, "make the database's log");
  const std::vector<std::byte> zeros(kLogSize);
  expect(::write(log.get(), zeros.data(), zeros.size()) == static_cast<ssize_t>(kLogSize),
         "write the database's log");
  expect(::fdatasync(log.get()) == 0, "sync the database's log");
}

Database::Database(const std::filesystem::path& folder, Promises& promises, Faith faith)
    : path_(folder / kFileName),
      promises_(promises),
      faith_(faith),
      log_(::open((folder / kLogName).c_str(), O_RDWR | O_CLOEXEC)) {
  expect(log_.get() >= 0, "open the database's log");
  Record record;
  while (::pread(log_.get(), &record, sizeof record, end_) == sizeof record && record.kind != 0 &&
         record.checksum == record.sum()) {
    if (record.kind == kCommit) commit_ = record.value;
    if (record.kind == kReserveIds) reserved_ = record.value;
    end_ += sizeof record;
  }
}

void Database::append(std::uint64_t kind, std::uint64_t value) {
  Record record{.kind = kind, .value = value};
  record.checksum = record.sum();
  expect(::pwrite(log_.get(), &record, sizeof record, end_) == sizeof record, "append to the log");
  // Not fsync: that is the file layer's, and a mutant can tell the two by the call.
  expect(::fdatasync(log_.get()) == 0, "sync the database's log");
  end_ += sizeof record;
}

ShmFileOptions Database::options() const {
  ShmFileOptions options;
  options.access = expect(access_of(path_.parent_path() / kLogName));
  if (faith_ == Faith::kTrustsFound) {
    options.trust_found_state = true;
    return options;
  }
  options.recover =
      [state = DurableState{
           .commit_seq = stress::triple_of(commit_).commit_seq,
           .schema_epoch = stress::triple_of(commit_).schema_epoch,
           .ecs_epoch = stress::triple_of(commit_).ecs_epoch,
           .next_txn_id = *TxnId::from_raw(faith_ == Faith::kRecovers ? reserved_ : 1),
       }] { return std::expected<DurableState, ShmError>(state); };
  return options;
}

void Database::take(std::expected<MarkedFile, ShmError>&& file) {
  file_ = std::make_unique<MarkedFile>(expect(std::move(file)));
  promises_.file = true;
}

void Database::remove() {
  promises_.file = false;
  expect(MarkedFile::remove(path_));
}

void Database::commit_only() {
  append(kCommit, commit_ + 1);
  ++commit_;
  promises_.commit = commit_;
}

void Database::publish(std::optional<TxnId> writer) {
  auto guard = expect(file_->lock_publication());
  commit_only();
  const ShmSnapshot next = stress::triple_of(commit_);
  expect(writer
             ? guard.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch, *writer)
             : guard.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch));
}

TxnId Database::allocate() {
  const auto id = file_->layout().alloc_txn_id();
  if (!id) throw std::runtime_error("no id is left");
  if (id->get() >= reserved_) {
    append(kReserveIds, id->get() + kIdBatch);
    reserved_ = id->get() + kIdBatch;
  }
  promises_.largest_id = std::max(promises_.largest_id, id->get());
  return *id;
}

void Database::sync() {
  expect(file_->sync());
  promises_.synced_commit = commit_;
}

}  // namespace fsqlshm::world::power_loss
