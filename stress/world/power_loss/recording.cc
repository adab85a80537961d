#include "stress/world/power_loss/recording.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "harness/child.h"
#include "harness/random.h"
#include "stress/world/tracer.h"

namespace fsqlshm::world::power_loss {
namespace {

namespace fs = std::filesystem;

// --- File systems ----------------------------------------------------------------------------------

fs::path program_path(const std::string& name) {
  for (const char* folder : {"/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"}) {
    if (::access((fs::path(folder) / name).c_str(), X_OK) == 0) return fs::path(folder) / name;
  }
  return {};
}

void make_file_system(const FileSystem& type, const DiskImage& image) {
  std::vector<std::string> words = type.make;
  words.push_back(image.path());
  const auto ended = harness::run_in_child([&] {
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) return 126;
    for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(program_path(words.front()).c_str(), arguments.data());
    return 127;
  });
  if (!ended.exited()) throw std::runtime_error(words.front() + " " + ended.text());
}

// Runs `body` in a process of its own, so that nothing of it is open afterwards. What it throws ends
// up in the caller.
void run_apart(const std::function<void()>& body) {
  struct Message {
    std::array<char, 400> text{};
  };
  const harness::Shared<Message> message;
  const auto ended = harness::run_in_child([&] {
    try {
      body();
      return 0;
    } catch (const std::exception& error) {
      fmt::format_to_n(message->text.data(), message->text.size() - 1, "{}", error.what());
      return 1;
    }
  });
  if (message->text[0] != 0) throw std::runtime_error(message->text.data());
  if (!ended.exited()) throw std::runtime_error("the process " + ended.text());
}

// --- What an operation finds -----------------------------------------------------------------------

void write_word(const fs::path& file, Field field, std::uint64_t value) {
  const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  const auto at = static_cast<off_t>(offset_of(field));
  if (::pwrite(fd.get(), &value, sizeof value, at) != sizeof value) {
    throw std::runtime_error("cannot write a word");
  }
}

void prepare(const fs::path& folder, Found found, Promises& promises) {
  Database::make(folder);
  Database database(folder, promises);
  if (found == Found::kNothing) return;
  if (found == Found::kRuin) {
    const OwnedFd fd(::open(database.path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    if (::ftruncate(fd.get(), 100000) != 0) throw std::runtime_error("cannot make a ruin");
    return;
  }
  database.create();
  for (int i = 0; i < 3; ++i) database.publish();
  for (int i = 0; i < 5; ++i) database.allocate();
  database.close();
  for (int i = 0; i < 2; ++i) database.commit_only();
  if (found == Found::kUsed) return;
  write_word(database.path(), Field::kSnapshotSeq, 7);
  write_word(database.path(), Field::kCommitSeq, 1'000'000);
  write_word(database.path(), Field::kSerializedWriterTxnId, 4);
  write_word(database.path(), Field::kSerializedWriterPidAndGen, (std::uint64_t{1} << 32) | 1);
  write_word(database.path(), Field::kSerializedWriterPidBirth, 77);
}

// --- Writeback and lies ----------------------------------------------------------------------------

void write_back_all(const fs::path& folder) {
  const OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::syncfs(fd.get()) != 0) throw std::runtime_error("cannot sync the file system");
}

void write_back_data(pid_t process, const fs::path& folder) {
  struct stat root = {};
  ::stat(folder.c_str(), &root);
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", process))) {
    struct stat status = {};
    if (::stat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_dev != root.st_dev) {
      continue;
    }
    const OwnedFd fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    constexpr unsigned kWhole =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (fd.get() >= 0) ::sync_file_range(fd.get(), 0, 0, kWhole);
  }
}

bool is_lie(const Stop& stop, pid_t process, Mutant mutant) {
  if (stop.number != SYS_fsync) return false;
  struct stat status = {};
  const std::string file = fmt::format("/proc/{}/fd/{}", process, stop.arguments[0]);
  if (::stat(file.c_str(), &status) != 0) return false;
  return (mutant == Mutant::kDraftNotSynced && S_ISREG(status.st_mode)) ||
         (mutant == Mutant::kDirectoryNotSynced && S_ISDIR(status.st_mode));
}

}  // namespace

bool FileSystem::can_be_made() const { return !program_path(make.front()).empty(); }

const std::vector<FileSystem>& file_systems() {
  constexpr std::uint64_t kMega = 1 << 20;
  static const std::vector<FileSystem> kAll = {
      {"ext4",
       {"mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
       16 * kMega,
       {}},
      // So small a disk has to be asked for.
      {"xfs", {"mkfs.xfs", "-q", "-f", "--unsupported"}, 32 * kMega, {{"nouuid", ""}}},
      {"btrfs", {"mkfs.btrfs", "-q", "-f", "-M", "-m", "single", "-d", "single"}, 24 * kMega, {}},
  };
  return kAll;
}

const std::vector<Operation>& operations() {
  static const auto kLive = [](Database& database) {
    const TxnId writer = database.allocate();
    static_cast<void>(database.file().layout().acquire_serialized_writer(writer, 0));
    database.publish(writer);
    static_cast<void>(database.file().layout().release_serialized_writer(writer));
  };
  static const std::vector<Operation> kAll = {
      {"create", Found::kNothing, false, [](Database& database) { database.create(); }},
      {"open or create", Found::kNothing, false,
       [](Database& database) { database.open_or_create(); }},
      {"make a ruin anew", Found::kRuin, false,
       [](Database& database) { database.open_or_create(); }},
      {"first open", Found::kUsed, false, [](Database& database) { database.open(); }},
      {"first open after a death", Found::kTorn, false,
       [](Database& database) { database.open(); }},
      {"publish", Found::kUsed, true,
       [](Database& database) {
         for (int i = 0; i < 2; ++i) database.publish();
       }},
      {"allocate", Found::kUsed, true,
       [](Database& database) {
         for (int i = 0; i < 6; ++i) database.allocate();
       }},
      {"write", Found::kUsed, true, kLive},
      {"sync", Found::kUsed, true,
       [](Database& database) {
         database.publish();
         database.sync();
         database.publish();
       }},
      {"remove", Found::kUsed, false, [](Database& database) { database.remove(); }},
      {"a life and another", Found::kNothing, false,
       [](Database& database) {
         database.create();
         kLive(database);
         database.close();
         database.remove();
         database.create();
         kLive(database);
       }},
  };
  return kAll;
}

std::unique_ptr<Start> make_start(const FileSystem& type, Found found) {
  auto start = std::make_unique<Start>(type);
  make_file_system(type, start->disk);
  const harness::Shared<Promises> promises;
  {
    const LoopDevice device(start->disk.fd());
    const Mount mount = type.mount(device.path());
    run_apart([&] { prepare(mount.path(), found, *promises); });
  }
  start->promises = *promises;
  return start;
}

Database::Faith faith_of(Mutant mutant) {
  switch (mutant) {
    case Mutant::kTrustsFoundState:
      return Database::Faith::kTrustsFound;
    case Mutant::kForgetsIds:
      return Database::Faith::kForgetsIds;
    case Mutant::kNone:
    case Mutant::kDraftNotSynced:
    case Mutant::kDirectoryNotSynced:
      break;
  }
  return Database::Faith::kRecovers;
}

// --- Recording -------------------------------------------------------------------------------------

Recording::Recording(const FileSystem& type, const Start& start, const Operation& operation,
                     const Plan& plan)
    : start_(start), disk_(std::make_unique<DiskImage>(type.size)) {
  disk_->copy_from(start.disk);
  recorder_ = std::make_unique<RecordingDisk>(*disk_);
  run(type, operation, plan);
  if (recorder_->log().overflowed()) throw std::runtime_error("too much was written to the disk");
}

void Recording::run(const FileSystem& type, const Operation& operation, const Plan& plan) {
  const Mount mount = type.mount(recorder_->device());
  const harness::Shared<Promises> promises;
  *promises = start_.promises;
  const harness::Shared<std::atomic<bool>> go;
  const harness::Shared<std::array<char, 400>> trouble;
  const harness::Child child([&] {
    while (!*go) ::usleep(100);
    try {
      Database database(mount.path(), *promises, faith_of(plan.mutant));
      if (operation.opens_first) database.open();
      mark(Marker::kBegin);
      operation.run(database);
      mark(Marker::kEnd);
      return 0;
    } catch (const std::exception& error) {
      fmt::format_to_n(trouble->data(), trouble->size() - 1, "{}", error.what());
      return 1;
    }
  });
  {
    Tracer tracer(child.pid(), child.pid());
    *go = true;
    follow(tracer, mount.path(), plan, *promises);
  }
  if ((*trouble)[0] != 0) {
    throw std::runtime_error(fmt::format("{}: {}", operation.name, trouble->data()));
  }
  // What was not written back by now, is late.
  write_back_all(mount.path());
  last_cut_ = recorder_->log().size();
}

void Recording::follow(Tracer& tracer, const fs::path& folder, const Plan& plan,
                       const Promises& promises) {
  bool begun = false;
  while (true) {
    const Stop stop = tracer.next(false);
    if (stop.kind == Stop::Kind::kGone) return;
    if (stop.kind != Stop::Kind::kEntry) continue;
    if (is_lie(stop, tracer.process(), plan.mutant)) tracer.fail_call(0);
    if (stop.is(Marker::kBegin)) first_cut_ = recorder_->log().size();
    begun |= stop.is(Marker::kBegin);
    if (!begun) continue;
    note(promises);
    moments_.push_back(name_of(stop));
    moments_at_.push_back(recorder_->log().size());
    if (moments_.size() == plan.moment) {
      first_cut_ = recorder_->log().size();
      if (plan.writeback == Writeback::kData) write_back_data(tracer.process(), folder);
      if (plan.writeback == Writeback::kAll) write_back_all(folder);
    }
    begun = !stop.is(Marker::kEnd);
  }
}

void Recording::note(const Promises& promises) {
  if (!marks_.empty() && marks_.back().promises == promises) return;
  marks_.push_back({recorder_->log().size(), promises});
}

const Promises& Recording::promises_at(std::size_t cut) const {
  const auto after = std::ranges::find_if(marks_, [&](const Mark& mark) { return mark.at > cut; });
  return after == marks_.begin() ? start_.promises : std::prev(after)->promises;
}

std::size_t Recording::last_flush(std::size_t cut) const {
  std::size_t at = cut;
  while (at > 0 && !recorder_->log()[at - 1].flush) --at;
  return at;
}

std::size_t Recording::unflushed(std::size_t cut) const { return cut - last_flush(cut); }

bool Recording::lost(std::size_t event, std::uint64_t drop) {
  return drop != 0 && harness::mix(drop * harness::kGoldenGamma + event) % 2 == 0;
}

void Recording::image_at(std::size_t cut, std::uint64_t drop, DiskImage& image) const {
  image.copy_from(start_.disk);
  const DiskLog& log = recorder_->log();
  const std::size_t flushed = last_flush(cut);
  for (std::size_t i = 0; i < cut; ++i) {
    if (log[i].flush || (i >= flushed && lost(i, drop))) continue;
    std::ranges::copy(log.bytes_of(log[i]), &image.bytes()[log[i].offset]);
  }
}

std::string Recording::text(std::size_t cut, std::uint64_t drop) const {
  std::string all;
  const std::size_t flushed = last_flush(cut);
  std::size_t moment = 0;
  const auto tell_moments = [&](std::size_t at) {
    for (; moment < moments_.size() && moments_at_[moment] <= at; ++moment) {
      all += fmt::format("  moment {:3}  {}\n", moment + 1, moments_[moment]);
    }
  };
  for (std::size_t i = moments_at_.empty() ? 0 : moments_at_.front(); i < cut; ++i) {
    tell_moments(i);
    const DiskEvent& event = recorder_->log()[i];
    all += event.flush ? fmt::format("  disk {:5}  flush\n", i + 1)
                       : fmt::format("  disk {:5}  block {}{}\n", i + 1, event.offset / kBlockSize,
                                     i >= flushed && lost(i, drop) ? " (lost)" : "");
  }
  tell_moments(cut);
  return all + "  the power goes off\n";
}

}  // namespace fsqlshm::world::power_loss
