// How a file is created, while calls fail and another process wants the name.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fuzz/file_checks.h"
#include "fuzz/interferer.h"
#include "fuzz/stats.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;
using Task = Interferer::Task;

// What the creation answered: an error, or the header that is mapped.
struct Created {
  std::optional<ShmError> error{};
  std::optional<HeaderBytes> header{};
  bool closed = true;
};

// `room` is the largest size of a file that this process may write meanwhile.
Created create(const fs::path& path, const ShmFileOptions& options, std::uint64_t room,
               Interferer& interferer) {
  auto file = [&] {
    const FileSizeLimit limit(room);
    const auto scope = interferer.interfere();
    return interferer.task() == Task::kCreate ? ShmFile::create(path, options)
                                              : ShmFile::open_or_create(path, options);
  }();
  if (!file) return {.error = file.error()};
  if (interferer.truncated()) return {};  // what is mapped must not be touched
  const HeaderBytes header = file->header_bytes();
  return {.header = header, .closed = file->sync() && file->close()};
}

// Whether this error may come of this creation.
bool creation_may_fail_with(const ShmError& error, const FileInput& input,
                            const Interferer& interferer) {
  using enum ShmErrorCode;
  const std::uint64_t full = input.room == Room::kOneByteShort      ? EFBIG
                             : input.room == Room::kMoreThanTheDisk ? ENOSPC
                                                                    : 0;
  if (interferer.explains(error) || interferer.truncated()) return true;
  if (full != 0 && error == kFileNoSpace && error.found() == full) return true;
  if (input.first == FirstOpener::kFails && error == kRecoverFailed) return true;
  // The other one made the file, and nobody says what its state is.
  if (!interferer.foreign()) return false;
  return error == kFileExists ||
         (error == kNeedsRecovery && input.first == FirstOpener::kSaysNothing);
}

std::optional<Failure> check_creation_answer(const Created& created, const FileInput& input,
                                             const Interferer& interferer) {
  const auto fail = failures_of("create a file");
  if (!created.closed) return fail("cannot be closed");
  // A call that fails to remove a name may be about a draft, or about the lock file, which may stay.
  if (remove_leftovers() > interferer.left_behind()) return fail("leaves a draft behind");
  const bool never = input.room > Room::kExact || input.first == FirstOpener::kFails;
  if (!created.error) {
    if (interferer.must_fail())
      return fail("goes on after a call that failed", interferer.failures());
    return never && !interferer.disturbed() ? std::optional(fail("makes what it cannot make"))
                                            : std::nullopt;
  }
  if (!creation_may_fail_with(*created.error, input, interferer)) {
    return fail("fails with " + std::string(to_string(created.error->code())),
                created.error->message());
  }
  if (created.error == ShmErrorCode::kFileNoSpace && !interferer.failed_any() &&
      interferer.reserved()) {
    return fail("tries what cannot fit, and fills the disk for a while");
  }
  return check_message("create a file", *created.error);
}

// At any time a whole file has the name, or none; and whatever happened, the next call works.
std::optional<Failure> check_created_file(const fs::path& path, const Created& created,
                                          const Content& fresh, const FileInput& input,
                                          const Interferer& interferer) {
  const auto fail = failures_of("create a file");
  const Content foreign = fresh_content(4096, 1, FirstOpener::kSaysNothing);
  const bool there = fs::exists(path);
  if (created.header && !there) return fail("the name is not there");
  const auto is = [&](const Content& one) { return same_file(path, one); };
  const bool half_established = created.error && same_immutable(path, foreign);
  const bool other = interferer.foreign() &&
                     (is(foreign) || is(established(foreign, input.first)) || half_established);
  if (there && !is(fresh) && !other) return fail("not the fresh header, or not its size");
  if (created.header && !other &&
      std::memcmp(created.header->data(), fresh.bytes.data(), wire::kSize) != 0) {
    return fail("another header is mapped");
  }
  if (created.header && !other) {
    const auto access = access_of(path);
    const auto of_lock = access_of(path.string() + "-lock");
    if (!access || access->mode != input.options.access.mode) {
      return fail("not the permissions that were asked for");
    }
    if (!of_lock || (of_lock->mode & 0222) != (access->mode & 0222)) {
      return fail("not all who may write, and nobody else, may open the lock file");
    }
  }
  ShmFileOptions options = input.options;
  options.max_txn_slots = 1;
  Recovery recovery(FirstOpener::kRecovers);
  const auto opened = ShmFile::open_or_create(path, recovery.in(options));
  if (!opened) return fail("it cannot be opened afterwards", opened.error().message());
  if (recovery.calls != 1) return fail("the first opener is asked for its state once, and is not");
  const auto second = ShmFile::create(path, options);
  if (second || second.error() != ShmErrorCode::kFileExists) return fail("it overwrites a file");
  if (opened->layout().try_load_consistent_snapshot(1) !=
      ShmSnapshot{CommitSeq(kDurableCommit), SchemaEpoch(kDurableSchema), kDurableEcs}) {
    return fail("not the recovered state");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> check_create(const FileInput& input) {
  static Counter failed("creations_failed");
  static Counter overtaken("creations_overtaken");
  const fs::path path = folder() / "new";
  remove_both(path);
  ShmFileOptions options = input.options;
  const Content fresh = fresh_content(options.page_size.get(), options.max_txn_slots, input.first);
  if (input.room == Room::kMoreThanTheDisk) {
    options.max_txn_slots = 0xffffffff;
    const std::uint64_t size = fresh_content(512, 0xffffffff, input.first).size;
    if (fs::space(folder()).available >= size) return std::nullopt;
  }
  Interferer interferer(input.or_opens ? Task::kOpenOrCreate : Task::kCreate, true, input.plan,
                        path, foreign_file());
  const std::uint64_t limit = input.room == Room::kExact          ? fresh.size
                              : input.room == Room::kOneByteShort ? fresh.size - 1
                                                                  : RLIM_INFINITY;
  Recovery recovery(input.first);
  const Created created = create(path, recovery.in(options), limit, interferer);
  if (created.error) failed.add();
  if (interferer.foreign()) overtaken.add();
  // Who was overtaken begins again, and others may have had the file open meanwhile.
  if (recovery.calls > 1 + interferer.restarts()) {
    return failures_of("create a file")("asks for the state twice");
  }
  if (auto f = check_creation_answer(created, input, interferer)) return f;
  if (interferer.truncated()) return std::nullopt;
  return check_created_file(path, created, fresh, input, interferer);
}

}  // namespace fsqlshm::fuzz
