// A file, opened through the mapped-file path, for reading and writing, and for reading only, and
// created. Success or the right error, never a crash; the first opener, and nobody else, establishes
// the state. On the way the input may make system calls fail, truncate the file, and let another
// process have the name first. Whatever fails, the next call works.

#include "fsqlshm/shm_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "fuzz/check_open.h"
#include "fuzz/file_checks.h"
#include "fuzz/interferer.h"
#include "fuzz/oracle.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;
using Task = Interferer::Task;

template <class File>
std::optional<Failure> check_file(std::string_view subject,
                                  const std::expected<File, ShmError>& file,
                                  std::string_view expected, const Content& content) {
  const auto fail = failures_of(subject);
  const std::string_view found = file ? "accept" : to_string(file.error().code());
  if (found != expected) {
    return fail("expected " + std::string(expected) + ", found " + std::string(found),
                "a file of " + std::to_string(content.size) + " bytes");
  }
  if (!file) {
    if (found == "file_truncated" && (file.error().found() != content.size ||
                                      file.error().expected() != required_bytes(content.bytes))) {
      return fail("wrong about what is cut off");
    }
    return check_message(subject, file.error());
  }
  const HeaderBytes bytes = file->header_bytes();
  if (std::memcmp(bytes.data(), content.bytes.data(), bytes.size()) != 0) {
    return fail("header_bytes differ from the file");
  }
  const Accessed accessed = access(file->layout());
  return check_answer({.way = subject, .accessed = &accessed}, expect(Judgement::kAccept),
                      content.bytes);
}

// Publishes on behalf of the writer, if there can be one, and of one that there is not.
std::optional<Failure> check_fence(ShmFile& file, ShmFile::Guard& guard) {
  const auto fail = failures_of("publish for a writer");
  auto layout = file.layout();
  const TxnId nobody = *TxnId::from_raw(TxnId::kMaxRaw);
  if (const auto writer = layout.check_serialized_writer(); writer != nobody) {
    const auto refused = guard.publish_snapshot(CommitSeq(9), SchemaEpoch(9), 9, nobody);
    if (refused || refused.error() != ShmErrorCode::kFenced) return fail("not fenced");
    if (auto f = check_message("publish for a writer", refused.error())) return f;
  }
  const auto id = layout.alloc_txn_id();
  const bool writes = id && layout.acquire_serialized_writer(*id, 0);
  const auto done = writes ? guard.publish_snapshot(CommitSeq(4), SchemaEpoch(5), 6, *id)
                           : guard.publish_snapshot(CommitSeq(4), SchemaEpoch(5), 6);
  if (!done) return fail("refused", done.error().message());
  if (writes && layout.check_serialized_writer_exclusion(1) != Exclusion::kBusy) {
    return fail("an open file counts as dead");
  }
  if (writes && !layout.release_serialized_writer(*id)) return fail("it cannot be released");
  return std::nullopt;
}

// Publishes under the lock; an odd number asks for a reconcile first.
std::optional<Failure> check_guard(ShmFile& file, const ShmFile& other,
                                   const ReadOnlyShmFile& reader, bool odd) {
  const auto fail = failures_of("publish on a file");
  auto guard = file.try_lock_publication();
  if (!guard || !*guard) return fail("the lock is not free");
  if ((*guard)->needs_reconcile() != odd) return fail("wrong about a dead publisher");
  const auto published = (*guard)->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
  if (published.has_value() == odd) {
    return fail("an odd number must be reconciled first, an even one need not be");
  }
  if (!published) {
    if (published.error() != ShmErrorCode::kNeedsReconcile) return fail("refused as another error");
    if (auto f = check_message("publish on a file", published.error())) return f;
  }
  if (!(*guard)->reconcile(CommitSeq(3), SchemaEpoch(4), 5)) return fail("it cannot be reconciled");
  auto moved = std::move(**guard);
  const auto by_none = (*guard)->publish_snapshot(CommitSeq(9), SchemaEpoch(9), 9);
  if (by_none || by_none.error() != ShmErrorCode::kGuardMoved) {
    return fail("a guard that was moved from publishes");
  }
  if (auto f = check_fence(file, moved)) return f;
  const auto second = file.try_lock_publication();
  const auto third = other.try_lock_publication();
  if (!second || *second || !third || *third) return fail("the lock is given out twice");
  const auto patient = other.try_lock_publication_for(std::chrono::microseconds(50));
  if (!patient || *patient) return fail("the lock is given out twice, after a while");
  if (other.publication_locked() != true || reader.publication_locked() != true) {
    return fail("a lock that is held is not seen");
  }
  return std::nullopt;
}

std::optional<Failure> check_publish(ShmFile& file, const fs::path& path, Bytes header) {
  const auto fail = failures_of("publish on a file");
  // Another process would open the file for itself, too. It is not the first.
  Recovery unused(FirstOpener::kFails);
  const auto other = ShmFile::open(path, unused.in({}));
  const auto reader = ReadOnlyShmFile::open(path);
  if (!other || !reader) return fail("it cannot be opened again");
  const ProcessIdentity who = other->identity();
  if (who == file.identity() || !file.liveness()(who.pid, who.birth)) {
    return fail("two opens have one name, or one counts as dead");
  }
  const auto users = users_of(path);
  if (!users || users->opens.size() != 2) return fail("users_of does not see who has it open");
  const auto removed = ShmFile::remove(path);
  if (removed || removed.error() != ShmErrorCode::kFileInUse) return fail("it is removed in use");
  const bool odd = wire::get64(header, 32) % 2 != 0;
  if (auto f = check_guard(file, *other, *reader, odd)) return f;
  if (other->publication_locked() != false) return fail("a lock is seen that is not held");
  if (!other->lock_publication()) return fail("the lock cannot be had again");
  const auto again = file.try_lock_publication_for(std::chrono::milliseconds(1));
  if (!again || !*again) return fail("the lock is not given back");
  const ShmSnapshot expected{CommitSeq(4), SchemaEpoch(5), 6};
  for (const auto& found : {file.layout().try_load_consistent_snapshot(1),
                            other->layout().try_load_consistent_snapshot(1),
                            reader->layout().try_load_consistent_snapshot(1)}) {
    if (found != expected) return fail("it is not read back");
  }
  return std::nullopt;
}

// Moving gives the target's file to the source, to be closed with it.
std::optional<Failure> check_move(ShmFile file, const HeaderBytes& bytes) {
  const auto fail = failures_of("move a file");
  auto other = ShmFile::open(foreign_file(), {.trust_found_state = true});
  if (!other) return fail("the other one cannot be opened");
  *other = std::move(file);
  if (other->header_bytes() != bytes) return fail("not the same");
  if (!other->sync() || !other->close()) return fail("does not close");
  return std::nullopt;
}

// Names that are no file, and the name of none.
std::optional<Failure> check_no_file(std::uint8_t kind) {
  const auto fail = failures_of("open what is no file");
  const fs::path name = folder() / "special";
  ::unlink(name.c_str());
  fs::path path = name;
  mode_t type = 0;  // of nothing
  switch (kind % 6) {
    case 0:
      break;
    case 1:
      path = folder();
      type = S_IFDIR;
      break;
    case 2:
      type = ::symlink(foreign_file().c_str(), path.c_str()) == 0 ? S_IFLNK : 0;
      break;
    case 3:
      type = ::mkfifo(path.c_str(), 0600) == 0 ? S_IFIFO : 0;
      break;
    case 4:
      type = ::mknod(path.c_str(), S_IFSOCK | 0600, 0) == 0 ? S_IFSOCK : 0;
      break;
    default:
      path = "/dev/null";
      type = S_IFCHR;
  }
  const ShmError right = type == 0 ? ShmError(ShmErrorCode::kFileOpen, ENOENT)
                                   : ShmError(ShmErrorCode::kFileNotRegular, type);
  const auto wrong = [&](const auto& result) { return result || result.error() != right; };
  if (wrong(ShmFile::open(path, {.trust_found_state = true})) ||
      wrong(ReadOnlyShmFile::open(path)) || wrong(read_header_bytes(path))) {
    return fail("not refused as such");
  }
  // The permissions are those of what a link leads to.
  const auto found = access_of(path);
  if (type == S_IFLNK ? !found || found->mode != 0600 : wrong(found)) {
    return fail("it has permissions");
  }
  if (wrong(ShmFile::remove(path))) return fail("it is removed");
  for (const fs::path& bad : {folder() / ".", fs::path("/nonexistent/f")}) {
    const auto created = ShmFile::create(bad);
    if (created || created.error() != ShmErrorCode::kFileCreate) return fail("it is created");
  }
  return check_message("open what is no file", right);
}

// The number of the next descriptor: equal before and after, unless one is left open.
int next_descriptor() {
  const int fd = ::open("/", O_PATH | O_CLOEXEC);
  ::close(fd);
  return fd;
}

// Opens for reading while nobody has the file open for writing.
std::optional<Failure> check_read_only(const fs::path& path, const Content& content) {
  const std::string_view expected = judge_file(content.bytes, content.size);
  const auto trusting = ReadOnlyShmFile::open(path, {.trust_found_state = true});
  if (auto f = check_file("open read-only", trusting, expected, content)) return f;
  if (auto f = check_file("open read-only, unused", ReadOnlyShmFile::open(path),
                          expected == "accept" ? "needs_recovery" : expected, content)) {
    return f;
  }
  const auto bytes = read_header_bytes(path);
  const bool whole = content.size >= wire::kSize;
  if (whole ? !bytes || std::memcmp(bytes->data(), content.bytes.data(), wire::kSize) != 0
            : bytes || bytes.error() != ShmErrorCode::kTooSmall) {
    return Failure{.property = "read_header_bytes: not those of the file"};
  }
  return std::nullopt;
}

// A file that was opened: its regions, and what can be done with it.
std::optional<Failure> check_use(ShmFile file, const fs::path& path, const Content& content,
                                 bool publishes) {
  const auto fail = failures_of("open a file");
  const std::uint64_t required = *required_bytes(content.bytes);
  if (file.regions().size() + wire::kSize != required) {
    return fail("not all regions are mapped, or more than these");
  }
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 ||
      static_cast<std::uint64_t>(status.st_blocks) * 512 < required) {
    return fail("a hole is left, where a store may find no space");
  }
  if (const auto good = file.check_file(); !good) {
    return fail("it is not the file that it is", good.error().message());
  }
  if (!publishes) return std::nullopt;
  if (auto f = check_publish(file, path, content.bytes)) return f;
  const HeaderBytes header = file.header_bytes();
  return check_move(std::move(file), header);
}

// The file was replaced or truncated under the opener: an error now, or at the next look. What was
// truncated before it was looked at is ruined, and open_or_create makes it anew.
std::optional<Failure> check_disturbed(const std::expected<ShmFile, ShmError>& file,
                                       const fs::path& path, const FileInput& input) {
  static Counter disturbed("disturbed");
  disturbed.add();
  const auto fail = failures_of("open a file that changes");
  if (!file) return check_message("open a file that changes", file.error());
  const Content fresh =
      fresh_content(input.options.page_size.get(), input.options.max_txn_slots, input.first);
  // A FIFO in its place would be waited for.
  const bool made_anew = input.or_opens && fs::is_regular_file(path) && same_file(path, fresh);
  if (file->check_file().has_value() != made_anew ||
      file->lock_publication().has_value() != made_anew) {
    return fail(made_anew ? "the file that was made anew is refused" : "the change is not seen");
  }
  return std::nullopt;
}

// Whatever failed, the next opener is the first, and gets in.
std::optional<Failure> check_next_open(const fs::path& path, const Content& content,
                                       const FileInput& input) {
  const auto fail = failures_of("open a file after a failure");
  const bool whole = judge_file(content.bytes, content.size) == "accept";
  Recovery recovery(FirstOpener::kRecovers);
  auto file = ShmFile::open(path, recovery.in({}));
  if (!file) {
    // What open_or_create had made anew, or not yet.
    return whole ? std::optional(fail("refused", file.error().message())) : std::nullopt;
  }
  if (recovery.calls != 1) return fail("the first opener is asked for its state once, and is not");
  if (!whole) {
    return input.or_opens ? std::nullopt : std::optional(fail("accepts what it must refuse"));
  }
  const Content expected = established(content, FirstOpener::kRecovers);
  // The number of the publish in which the one before failed may have been used up.
  const HeaderBytes found = file->header_bytes();
  const auto differs = [&](std::size_t from, std::size_t to) {
    return std::memcmp(found.data() + from, expected.bytes.data() + from, to - from) != 0;
  };
  if (differs(0, 32) || differs(40, wire::kSize)) return fail("not the recovered state");
  return std::nullopt;
}

// What has the name when open_or_create, or open, is done with `content`.
Content content_after(const Content& content, const FileInput& input) {
  if (judge_file(content.bytes, content.size) == "accept") {
    return established(content, input.first);
  }
  return fresh_content(input.options.page_size.get(), input.options.max_txn_slots, input.first);
}

std::optional<Failure> check_opened(const fs::path& path, std::expected<ShmFile, ShmError> file,
                                    const Content& content, const FileInput& input,
                                    const Interferer& interferer) {
  static Counter failed("opens_failed");
  static Counter recovered("recovered");
  static Counter made("made_anew");
  const auto fail = failures_of("open a file");
  if (interferer.disturbed()) return check_disturbed(file, path, input);
  const std::string_view expected = judge_first_open(content, input.first, input.or_opens);
  const bool recovers_in_vain = input.or_opens && interferer.hidden() > 0 &&
                                input.first == FirstOpener::kFails && !file &&
                                file.error() == ShmErrorCode::kRecoverFailed;
  if (!file && (interferer.explains(file.error()) || recovers_in_vain)) {
    failed.add();
    if (auto f = check_message("open a file", file.error())) return f;
    return check_next_open(path, content, input);
  }
  if (file && interferer.must_fail())
    return fail("goes on after a call that failed", interferer.failures());
  const bool whole = judge_file(content.bytes, content.size) == "accept";
  const Content after = file ? content_after(content, input) : content;
  if (auto f = check_file("open a file", file, expected, after)) return f;
  if (!same_file(path, after)) return fail("the file is not as it should be");
  if (!file) return std::nullopt;
  if (input.first == FirstOpener::kRecovers) recovered.add();
  if (!whole) made.add();
  if (auto f = check_use(*std::move(file), path, after, input.publishes)) return f;
  if (const auto removed = ShmFile::remove(path); !removed) {
    return fail("it cannot be removed", removed.error().message());
  }
  if (fs::exists(path) || fs::exists(path.string() + "-lock")) return fail("it was not removed");
  return std::nullopt;
}

std::optional<Failure> check_opening(const fs::path& path, const Content& content,
                                     const FileInput& input) {
  const auto fail = failures_of("open a file");
  const Task task = input.or_opens ? Task::kOpenOrCreate : Task::kOpen;
  Interferer interferer(task, false, input.plan, path, foreign_file());
  Recovery recovery(input.first);
  auto file = [&] {
    const auto options = recovery.in(input.options);
    const auto scope = interferer.interfere();
    return input.or_opens ? ShmFile::open_or_create(path, options) : ShmFile::open(path, options);
  }();
  if (recovery.calls > 1 + (input.or_opens ? interferer.restarts() : 0)) {
    return fail("asks for the state twice");
  }
  if (file && input.first == FirstOpener::kRecovers && recovery.calls == 0) {
    return fail("does not ask for the state");
  }
  // A name that could not be removed may be the lock file's.
  if (remove_leftovers() > interferer.left_behind()) return fail("leaves a draft behind");
  return check_opened(path, std::move(file), content, input, interferer);
}

std::optional<Failure> check_all(const FileInput& input) {
  static Counter opened("opened");
  static Counter refused("refused");
  static Counter truncated("truncated");
  static Counter do_not_fit("regions_do_not_fit");
  const fs::path path = folder() / "f";
  write_file(path, input.content);
  Content content = input.content;  // as it will be read: with zeroes behind
  if (content.size >= wire::kSize) {
    content.bytes.resize(std::max<std::size_t>(content.bytes.size(), wire::kSize));
  }
  const std::string_view answer = judge_file(content.bytes, content.size);
  (answer == "accept" ? opened : refused).add();
  if (answer == "file_truncated") truncated.add();
  if (answer == "file_regions_do_not_fit") do_not_fit.add();
  if (auto f = check_read_only(path, content)) return f;
  if (auto f = check_opening(path, content, input)) return f;
  if (input.creates) {
    if (auto f = check_create(input)) return f;
  }
  return input.opens_no_file ? check_no_file(input.no_file) : std::nullopt;
}

std::optional<Failure> run(Bytes bytes) {
  const auto input = decode_file(bytes);
  if (!input) return std::nullopt;
  foreign_file();
  const int before = next_descriptor();
  if (auto f = check_all(*input)) return f;
  if (next_descriptor() != before) return Failure{.property = "a descriptor is left open"};
  return std::nullopt;
}

constexpr std::string_view kReaches[] = {
    "opened",       "refused",          "truncated",           "regions_do_not_fit",
    "opens_failed", "creations_failed", "creations_overtaken", "recovered",
    "made_anew",    "disturbed"};

}  // namespace

constinit const Target kTarget = {
    .name = "shm_file",
    .description = "a file, failing system calls, a name that changes hands; the wire table",
    .max_size = 512,
    .run = run,
    .mutate = mutate_file,
    .units = file_units,
    .explain = explain_file,
    .dictionary = kHeaderDictionary,
    .reaches = kReaches,
};

}  // namespace fsqlshm::fuzz
