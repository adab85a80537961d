#include "fuzz/file_oracle.h"

#include <algorithm>
#include <cerrno>

#include "fuzz/oracle.h"

namespace fsqlshm::fuzz {
namespace {

constexpr std::size_t kNextId = 24, kSeq = 32, kCommit = 40, kSchema = 48, kEcs = 56, kGc = 64,
                      kWriter = 72;

void publish_durable(MutableBytes header) {
  wire::put64(header, kSeq, (wire::get64(header, kSeq) | 1) + 1);
  wire::put64(header, kCommit, kDurableCommit);
  wire::put64(header, kSchema, kDurableSchema);
  wire::put64(header, kEcs, kDurableEcs);
}

}  // namespace

Content fresh_content(std::uint32_t page_size, std::uint32_t slots, FirstOpener first) {
  const std::uint32_t in_force = slots == 0 ? 128 : slots;
  auto header = wire::fresh_header(page_size, in_force);
  if (first == FirstOpener::kRecovers) {
    wire::put64(header, kNextId, kDurableNextId);
    publish_durable(header);
  }
  return {{header.begin(), header.end()},
          wire::kSize + std::uint64_t{320} * in_force + (std::uint64_t{in_force} + 7) / 8};
}

Content established(Content found, FirstOpener first) {
  if (first != FirstOpener::kRecovers) return found;
  const MutableBytes header = found.bytes;
  for (std::size_t offset = kGc; offset < kWriter + 32; offset += 8) wire::put64(header, offset, 0);
  const std::uint64_t next = wire::get64(header, kNextId);
  const bool in_domain = next <= std::uint64_t{1} << 62;
  wire::put64(header, kNextId, std::max(in_domain ? next : 0, kDurableNextId));
  publish_durable(header);
  return found;
}

bool is_ruin(const Content& content) {
  std::array<std::uint8_t, wire::kSize> head{};  // what was cut off reads as zeroes
  std::copy_n(content.bytes.begin(), std::min(content.bytes.size(), head.size()), head.begin());
  const Judgement whole = judge(head);
  const std::string_view answer = content.size >= wire::kSize   ? judge_file(head, content.size)
                                  : whole == Judgement::kAccept ? "file_truncated"
                                                                : to_string(whole);
  // Users of a file that was truncated may have written words to it.
  std::fill_n(head.begin() + wire::kFirstAtomic, 8 * wire::kAtomicWords, std::uint8_t{0});
  if (std::ranges::all_of(head, [](std::uint8_t byte) { return byte == 0; })) return true;
  return answer == "invalid_page_size" || answer == "checksum_mismatch" ||
         answer == "file_truncated";
}

std::string_view judge_first_open(const Content& content, FirstOpener first, bool make) {
  std::string_view answer = judge_file(content.bytes, content.size);
  const bool makes = make && answer != "accept" && is_ruin(content);
  if (makes) answer = "accept";
  if (answer != "accept") return answer;
  if (first == FirstOpener::kFails) return "recover_failed";
  return first == FirstOpener::kSaysNothing && !makes ? "needs_recovery" : "accept";
}

bool may_report(std::string_view call, int error, const ShmError& reported) {
  using enum ShmErrorCode;
  const ShmErrorCode code = reported.code();
  const auto found = static_cast<int>(reported.found());
  if (call == "fcntl") {  // a lock that others have
    return code == kFileLock && (found == error || (error == EACCES && found == EAGAIN));
  }
  if (found != error) return false;
  if (call == "mmap" || call == "madvise") return code == kFileMap;
  if (call == "posix_fallocate") return code == kFileNoSpace;
  if (call == "fsync") return code == kFileSync;
  if (call == "fchown") return code == kFileOwner;
  if (call == "linkat") return code == (error == EEXIST ? kFileExists : kFileCreate);
  if (call == "fchmod" || call == "renameat") return code == kFileCreate;
  if (call == "pread" || call == "fstatat") return code == kFileOpen;
  if (call == "pwrite" || call == "fstat") return code == kFileOpen || code == kFileCreate;
  return call.starts_with("openat") &&
         (code == kFileOpen || code == kFileCreate || code == kFileSync);
}

bool may_absorb(std::string_view call, int error) {
  // Of a draft; of its flags, which are a wish.
  if (call == "unlinkat" || call == "ioctl") return true;
  // Of the name, for the lock file's mode, which is another then; of the lock file, which is opened
  // again then; of the draft, whose space is then not looked for before it is asked for.
  if (call == "fstatat" || call == "fstat") return true;
  if (error == EINTR) {
    return call.starts_with("openat") || call == "fcntl" || call == "pread" || call == "pwrite" ||
           call == "posix_fallocate";
  }
  if (call == "fcntl") return error == EACCES;
  // Without nameless files; with a name that is taken; without the file, which is made then, or with
  // a lock file that is made by another at the same time.
  if (call.starts_with("openat")) {  // "openat(O_TMPFILE)"
    return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == EEXIST ||
           error == ENOENT;
  }
  return call == "linkat" && error == EEXIST;
}

}  // namespace fsqlshm::fuzz
