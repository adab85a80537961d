#include "fsqlshm/file_mapping.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <thread>

#include "byte_locks.h"
#include "failure.h"
#include "open_file.h"
#include "positioned_words.h"

namespace fsqlshm {

using internal::Code;
using internal::failure;
using internal::failure_errno;
using internal::LockKind;
using internal::OpenFile;
using internal::OpenMode;

std::expected<FileAccess, ShmError> access_of(const std::filesystem::path& database) {
  struct stat status = {};
  if (::stat(database.c_str(), &status) != 0) return failure_errno(Code::kFileOpen);
  if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, status.st_mode & S_IFMT);
  return FileAccess{.mode = status.st_mode & 0777, .uid = status.st_uid, .gid = status.st_gid};
}

std::expected<HeaderBytes, ShmError> read_header_bytes(const std::filesystem::path& path) {
  const auto where = internal::FileName::of(path);
  if (!where) return std::unexpected(where.error());
  const auto file = internal::open_regular(where->directory.get(), where->name, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  const internal::PositionedWords live(file->get());
  std::array<std::uint64_t, kHeaderWords> words{};
  for (std::size_t i = 0; i < kHeaderWords; ++i) words[i] = live.load_word(i);
  if (live.error() == 0) return std::bit_cast<HeaderBytes>(words);
  struct stat status = {};
  if (live.error() != ENODATA || ::fstat(file->get(), &status) != 0) {
    return failure_errno(Code::kFileOpen, live.error());
  }
  return failure(Code::kTooSmall, static_cast<std::uint64_t>(status.st_size), kHeaderSize);
}

std::expected<std::uint64_t, ShmError> required_size(const Geometry& geometry) {
  constexpr std::uint64_t kMaxFileSize = (std::uint64_t{1} << 63) - 1;
  const std::uint64_t slots = geometry.max_txn_slots;
  // Slots are below 2^32, so their products do not overflow; the sum can.
  struct Region {
    std::uint64_t offset;
    std::uint64_t size;
  };
  const std::array<Region, 4> regions = {{
      {geometry.lock_table_offset, slots * kLockTableBytesPerSlot},
      {geometry.witness_offset, slots * kWitnessBytesPerSlot},
      {geometry.txn_slot_offset, slots * kTxnSlotBytesPerSlot},
      {geometry.committed_readers_offset, geometry.committed_readers_bytes},
  }};
  std::uint64_t end = kHeaderSize;
  for (const Region& region : regions) {
    if (region.offset < end || region.offset > kMaxFileSize ||
        region.size > kMaxFileSize - region.offset) {
      return failure(Code::kFileRegionsDoNotFit, region.offset, end);
    }
    end = region.offset + region.size;
  }
  if (geometry.committed_readers_bytes < (slots + 7) / 8) {
    return failure(Code::kFileRegionsDoNotFit, geometry.committed_readers_offset, end);
  }
  return end;
}

bool is_ruin(const HeaderBytes& header, const ShmError& problem) {
  // Users of a file that was truncated and got its size back may have written words to it.
  auto words = std::bit_cast<std::array<std::uint64_t, kHeaderWords>>(header);
  for (const Field field : kAtomicFields) words[word_index(field)] = 0;
  const bool blank = std::ranges::all_of(words, [](std::uint64_t word) { return word == 0; });
  // What is left of one that was cut may say that it is ours.
  const auto whole = SharedMemoryLayout::open(header);
  const Code code = problem.code() != Code::kTooSmall ? problem.code()
                    : whole                           ? Code::kFileTruncated
                                                      : whole.error().code();
  return blank || code == Code::kInvalidPageSize || code == Code::kChecksumMismatch ||
         code == Code::kFileTruncated;
}

std::expected<FileUsers, ShmError> users_of(const std::filesystem::path& path) {
  const auto where = internal::FileName::of(path);
  if (!where) return std::unexpected(where.error());
  // What a mere reader sees of a missing lock file is a file that nobody has open.
  const auto file = internal::open_regular(where->directory.get(), where->name, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  const auto locks = internal::open_regular(where->directory.get(), where->lock_file(), O_RDWR);
  FileUsers users;
  if (!locks && internal::is_missing(locks.error())) return users;
  if (!locks) return internal::failure_of_lock_file(locks.error());
  const auto names = internal::names_in_use(locks->get());
  const auto publisher =
      internal::locked_by_others(locks->get(), internal::kPublicationByte, LockKind::kWrite);
  const auto first = internal::locked_by_others(locks->get(), internal::kOpenByte, LockKind::kRead);
  for (const auto* answer : {&publisher, &first}) {
    if (!*answer) return failure_errno(Code::kFileLock, answer->error());
  }
  if (!names) return failure_errno(Code::kFileLock, names.error());
  return FileUsers{
      .opens = *names, .publication_locked = *publisher, .first_opener_at_work = *first};
}

// --- PublicationTurn, KernelLiveness -------------------------------------------------------------

PublicationTurn::~PublicationTurn() {
  if (file_ == nullptr || !file_->of_this_process()) return;
  internal::unlock(file_->lock_file.get(), internal::kPublicationByte);
  file_->publication_turns.give_back();
}

bool KernelLiveness::operator()(std::uint32_t pid, std::uint64_t birth) const noexcept {
  return file_->alive({.pid = pid, .birth = birth});
}

// --- FileMapping -----------------------------------------------------------------------------------

FileMapping::FileMapping(std::unique_ptr<OpenFile> file) noexcept : file_(std::move(file)) {}
FileMapping::FileMapping(FileMapping&& other) noexcept = default;
FileMapping& FileMapping::operator=(FileMapping&& other) noexcept = default;
FileMapping::~FileMapping() = default;

std::expected<FileMapping, ShmError> FileMapping::wrap(
    std::expected<std::unique_ptr<OpenFile>, ShmError>&& file) {
  if (!file) return std::unexpected(file.error());
  return FileMapping(std::move(*file));
}

std::expected<FileMapping, ShmError> FileMapping::create(const std::filesystem::path& path,
                                                         const ShmFileOptions& options) {
  return wrap(internal::open_file(path, OpenMode::kCreate, options));
}

std::expected<FileMapping, ShmError> FileMapping::open(const std::filesystem::path& path,
                                                       Access access,
                                                       const ShmFileOptions& options) {
  const auto mode = access == Access::kReadOnly ? OpenMode::kReadOnly : OpenMode::kOpen;
  return wrap(internal::open_file(path, mode, options));
}

std::expected<FileMapping, ShmError> FileMapping::open_or_create(const std::filesystem::path& path,
                                                                 const ShmFileOptions& options) {
  return wrap(internal::open_file(path, OpenMode::kOpenOrCreate, options));
}

std::expected<void, ShmError> FileMapping::remove(const std::filesystem::path& path) {
  return internal::remove_file(path);
}

std::expected<void, ShmError> FileMapping::sync() {
  if (!file_->of_this_process()) return std::unexpected(internal::forked());
  const std::span<std::byte> all = bytes();
  if (::msync(all.data(), all.size(), MS_SYNC) != 0 || ::fsync(file_->file.get()) != 0) {
    return failure_errno(Code::kFileSync);
  }
  return {};
}

std::expected<void, ShmError> FileMapping::close() {
  if (file_ == nullptr) return {};
  return file_->close();
}

std::expected<void, ShmError> FileMapping::check_file() const { return file_->check(); }

const ProcessIdentity& FileMapping::identity() const noexcept { return file_->identity; }
std::span<std::byte> FileMapping::bytes() const noexcept { return file_->mapping.bytes(); }
const Geometry& FileMapping::geometry() const noexcept { return file_->geometry; }

std::expected<PublicationTurn, ShmError> FileMapping::lock_publication() const {
  if (!file_->of_this_process()) return std::unexpected(internal::forked());
  file_->publication_turns.take();
  // From here on the turn gives back whatever there is, also if this thread is cancelled.
  PublicationTurn turn(file_.get());
  const int error =
      internal::lock(file_->lock_file.get(), internal::kPublicationByte, LockKind::kWrite);
  if (error != 0) return failure_errno(Code::kFileLock, error);
  if (const auto good = file_->check_often(); !good) return std::unexpected(good.error());
  return turn;
}

std::expected<std::optional<PublicationTurn>, ShmError> FileMapping::try_lock_publication_for(
    std::chrono::nanoseconds patience) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  // The kernel can wait for ever or not at all; what lies between is made of naps. After each we look
  // for a while, not once, to meet the gap in a lock that others keep handing on.
  const auto nap = std::clamp<std::chrono::nanoseconds>(
      patience / 256, std::chrono::microseconds(10), std::chrono::milliseconds(1));
  while (true) {
    const Clock::time_point look_until = Clock::now() + nap / 16;
    do {
      auto turn = try_lock_publication();
      if (!turn || *turn) return turn;
      if (patience <= std::chrono::nanoseconds(0)) return std::nullopt;
      ::sched_yield();
    } while (Clock::now() < look_until);
    const auto left = patience - (Clock::now() - start);
    if (left <= std::chrono::nanoseconds(0)) return std::nullopt;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(nap, left));
  }
}

std::expected<std::optional<PublicationTurn>, ShmError> FileMapping::try_lock_publication() const {
  if (!file_->of_this_process()) return std::unexpected(internal::forked());
  if (!file_->publication_turns.try_take()) return std::nullopt;
  PublicationTurn turn(file_.get());
  const auto locked =
      internal::try_lock(file_->lock_file.get(), internal::kPublicationByte, LockKind::kWrite);
  if (!locked) return failure_errno(Code::kFileLock, locked.error());
  if (!*locked) return std::nullopt;
  if (const auto good = file_->check_often(); !good) return std::unexpected(good.error());
  return turn;
}

std::expected<bool, ShmError> FileMapping::publication_locked() const {
  // Readers have no lock file open, and may not be allowed to open it.
  if (!file_->of_this_process()) return std::unexpected(internal::forked());
  internal::Descriptor opened;
  int fd = file_->lock_file.get();
  if (!file_->lock_file.ok()) {
    auto locks =
        internal::open_regular(file_->where.directory.get(), file_->where.lock_file(), O_RDONLY);
    if (!locks) return internal::failure_of_lock_file(locks.error());
    opened = std::move(*locks);
    fd = opened.get();
  }
  const auto locked = internal::locked_by_others(fd, internal::kPublicationByte, LockKind::kWrite);
  if (!locked) return failure_errno(Code::kFileLock, locked.error());
  return *locked;
}

HeaderBytes FileMapping::header_bytes() const noexcept {
  const MappedWords live = words();
  std::array<std::uint64_t, kHeaderWords> words{};
  for (std::size_t i = 0; i < kHeaderWords; ++i) {
    words[i] = live.load_word(i, std::memory_order::acquire);
  }
  return std::bit_cast<HeaderBytes>(words);
}

}  // namespace fsqlshm
