#include "stress/world/lab.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "fsqlshm/shared_memory_layout.h"
#include "harness/child.h"

namespace fsqlshm::world {
namespace {

namespace fs = std::filesystem;

#if defined(__has_feature)
constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
constexpr bool kAddressSanitizer = false;
#endif

constexpr const char* kDiskSize = "size=512k";

// Why a child cannot do it; or nothing.
std::string try_in_child(const std::function<bool()>& act, std::string_view what) {
  harness::Shared<int> error;
  const auto end = harness::run_in_child([&] {
    const bool done = act();
    *error = errno;
    return done ? 0 : 1;
  });
  return end.exited() ? ""
                      : fmt::format("cannot {}: {}", what, std::generic_category().message(*error));
}

bool mount_small_disk(const fs::path& folder) {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", folder.c_str(), "tmpfs", 0, kDiskSize) == 0;
}

}  // namespace

Abilities Abilities::find(const fs::path& folder) {
  Abilities found;
  found.other_users =
      try_in_child([&] { return become(kSomebody) && ::access(folder.c_str(), X_OK) == 0; },
                   "work in the folder as another user");
  if (kAddressSanitizer) found.no_descriptors = "AddressSanitizer opens files itself";
  found.small_disk =
      try_in_child([] { return mount_small_disk("/tmp"); }, "mount a small file system");
  found.pid_namespace =
      try_in_child([] { return ::unshare(CLONE_NEWPID) == 0; }, "make a pid namespace");
  found.time_namespace =
      try_in_child([] { return ::unshare(CLONE_NEWTIME) == 0; }, "make a time namespace");
  return found;
}

Lab::Lab(fs::path folder, Abilities abilities)
    : folder_(std::move(folder)),
      path_(folder_ / "world.db.fsqlite-shm"),
      abilities_(std::move(abilities)) {
  // The children of a subject that died are ours to end.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (abilities_.small_disk.empty() && !mount_small_disk(folder_)) {
    abilities_.small_disk = "cannot mount a small file system";
  }
}

void Lab::arrange(Scene scene, mode_t mode, uid_t user) {
  for (const auto& entry : fs::directory_iterator(folder_)) fs::remove_all(entry);
  fs::permissions(folder_, fs::perms::all);
  if (scene == Scene::kNoFile) return;
  write_file(path_, 3, false);  // older than what is durable
  // Somebody published what never became durable, ids were handed out and a writer was left over.
  set_word(Field::kNextTxnId, 11);
  leave_writer(0);
  std::ofstream(lock_path()).close();
  for (const fs::path& file : {path_, lock_path()}) {
    ::chmod(file.c_str(), mode);
    if (user != 0) static_cast<void>(::chown(file.c_str(), user, user));
  }
  ::chmod(lock_path().c_str(), mode & 0600);
}

void Lab::write_file(const fs::path& path, std::uint64_t n, bool strange) const {
  SharedMemoryLayout header(*PageSize::from_raw(strange ? 8192 : 4096), strange ? 64 : 8);
  const ShmSnapshot state = triple_of(n);
  header.publish_snapshot(state.commit_seq, state.schema_epoch, state.ecs_epoch);
  const HeaderBytes bytes = header.to_bytes();
  std::string text(*required_size(header.geometry()), '\0');
  std::memcpy(text.data(), bytes.data(), bytes.size());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

void Lab::set_word(Field field, std::uint64_t value) const {
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  const auto at = static_cast<off_t>(word_index(field) * sizeof value);
  if (::pwrite(fd, &value, sizeof value, at) != sizeof value) {
    throw std::runtime_error("cannot write a word of the file");
  }
  ::close(fd);
}

void Lab::leave_writer(std::uint64_t lease) const {
  constexpr std::uint64_t kPid = 4'000'000;  // of an open that ended
  set_word(Field::kSerializedWriterPidAndGen, kPid | std::uint64_t{1} << 32);
  set_word(Field::kSerializedWriterPidBirth, kKnownBirth | 0xabcdef);
  set_word(Field::kSerializedWriterLeaseExpiry, lease);
  set_word(Field::kSerializedWriterTxnId, 9);
}

std::vector<std::string> Lab::drafts() const {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".")) found.push_back(name);
  }
  return found;
}

void Lab::fill_disk() const {
  const int fd = ::open((folder_ / "filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string block(4096, 'x');
  while (::write(fd, block.data(), block.size()) > 0) {
  }
  ::close(fd);
}

}  // namespace fsqlshm::world
