// What an operation of a database writes to its disk, block by block, and the disk as a power loss at
// any moment of it leaves it.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_RECORDING_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_RECORDING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stress/world/power_loss/database.h"
#include "stress/world/power_loss/disk.h"

namespace fsqlshm::world::power_loss {

struct FileSystem {
  std::string_view name;
  std::vector<std::string> make;  ///< the command that makes it, but for the image
  std::uint64_t size;             ///< of the disk, bytes
  Mount::Options options;

  [[nodiscard]] Mount mount(const std::string& device) const {
    return Mount(std::string(name), device, options);
  }
  /// Whether the program that makes it is installed.
  [[nodiscard]] bool can_be_made() const;
};

/// ext4, xfs and btrfs, with their defaults but for the size.
[[nodiscard]] const std::vector<FileSystem>& file_systems();

/// What an operation finds.
enum class Found : std::uint8_t {
  kNothing,  ///< a database that never had a shared-memory file
  kRuin,     ///< one of zeros
  kUsed,     ///< one that others used; since then the database went on without it
  kTorn,     ///< the same, but the last publisher died in the middle, as did the serialized writer
};

struct Operation {
  std::string_view name;
  Found found;
  bool opens_first;  ///< the file is open when the operation begins
  std::function<void(Database&)> run;
};
[[nodiscard]] const std::vector<Operation>& operations();

/// A disk as an operation finds it, and what the database had promised by then.
struct Start {
  explicit Start(const FileSystem& type) : disk(type.size) {}
  DiskImage disk;
  Promises promises;
};
/// Throws std::runtime_error or std::system_error, like all here.
[[nodiscard]] std::unique_ptr<Start> make_start(const FileSystem& type, Found found);

/// What the kernel writes back by itself at some moment: unsynced data may reach the disk at any time.
enum class Writeback : std::uint8_t {
  kLate,  ///< when the operation is over
  kData,  ///< the data of the open files, but not what the file system knows about them
  kAll,
};

/// Faults that a power loss must show.
enum class Mutant : std::uint8_t {
  kNone,
  kDraftNotSynced,      ///< fsync of a file answers 0 and does nothing
  kDirectoryNotSynced,  ///< the same of a directory
  kTrustsFoundState,    ///< the state in the file is taken for the durable one
  kForgetsIds,          ///< recover does not tell of the ids that the database reserved
};
[[nodiscard]] Database::Faith faith_of(Mutant mutant);

/// A run of an operation in a process that is held at every system call and atomic step: the moments.
class Recording {
 public:
  struct Plan {
    Writeback writeback = Writeback::kLate;
    std::size_t moment = 0;  ///< of the writeback, counted from 1
    Mutant mutant = Mutant::kNone;
  };
  Recording(const FileSystem& type, const Start& start, const Operation& operation,
            const Plan& plan);

  [[nodiscard]] const std::vector<std::string>& moments() const { return moments_; }
  /// The disk's events that make a difference to this plan: the power goes off after so many.
  [[nodiscard]] std::size_t first_cut() const { return first_cut_; }
  [[nodiscard]] std::size_t last_cut() const { return last_cut_; }
  /// What was promised before the power went off.
  [[nodiscard]] const Promises& promises_at(std::size_t cut) const;

  /// How many blocks were written since the last flush.
  [[nodiscard]] std::size_t unflushed(std::size_t cut) const;
  /// The disk without what came after `cut`. `drop` 0: all blocks are there that were written by then;
  /// otherwise one of the ways to lose blocks that were written after the last flush.
  void image_at(std::size_t cut, std::uint64_t drop, DiskImage& image) const;

  /// Events and moments around a cut, for a person.
  [[nodiscard]] std::string text(std::size_t cut, std::uint64_t drop) const;

 private:
  struct Mark {
    std::size_t at;
    Promises promises;
  };
  void run(const FileSystem& type, const Operation& operation, const Plan& plan);
  void follow(Tracer& tracer, const std::filesystem::path& folder, const Plan& plan,
              const Promises& promises);
  void note(const Promises& promises);
  [[nodiscard]] std::size_t last_flush(std::size_t cut) const;
  [[nodiscard]] static bool lost(std::size_t event, std::uint64_t drop);

  const Start& start_;
  std::unique_ptr<DiskImage> disk_;
  std::unique_ptr<RecordingDisk> recorder_;
  std::vector<std::string> moments_;
  std::vector<std::size_t> moments_at_;  // how much the log had then
  std::vector<Mark> marks_;
  std::size_t first_cut_ = 0;
  std::size_t last_cut_ = 0;
};

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_RECORDING_H_
