// A database as small as can be, to have a file layer under it that is in use: a log of records, each
// on the disk before anybody is told of it, and a shared-memory file that is established from them.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_DATABASE_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_DATABASE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "fsqlshm/shm_file.h"
#include "stress/world/marked_words.h"
#include "stress/world/power_loss/disk.h"

namespace fsqlshm::world::power_loss {

/// What users of the database were told, in memory that no power loss takes along.
struct Promises {
  std::uint64_t commit = 0;         ///< is durable
  std::uint64_t largest_id = 0;     ///< was handed out
  std::uint64_t synced_commit = 0;  ///< is in the shared-memory file, and that is synced
  bool file = false;                ///< the shared-memory file was made, and is not to be removed

  friend bool operator==(const Promises&, const Promises&) = default;
};

class Database {
 public:
  static constexpr std::string_view kLogName = "foo.db";
  static constexpr std::string_view kFileName = "foo.db.fsqlite-shm";
  static constexpr mode_t kMode = 0640;

  enum class Faith : std::uint8_t {
    kRecovers,     ///< gives its durable state to the first opener
    kForgetsIds,   ///< the same, but for the ids that it reserved: a mutant
    kTrustsFound,  ///< trust_found_state: a mutant
  };

  /// Makes an empty log of fixed size, so that a commit changes no metadata.
  static void make(const std::filesystem::path& folder);

  /// Reads the log. Throws std::runtime_error, like all here.
  Database(const std::filesystem::path& folder, Promises& promises, Faith faith = Faith::kRecovers);

  [[nodiscard]] std::uint64_t commit() const { return commit_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] ShmFileOptions options() const;
  [[nodiscard]] MarkedFile& file() { return *file_; }

  void create() { take(MarkedFile::create(path_, options())); }
  void open() { take(MarkedFile::open(path_, options())); }
  void open_or_create() { take(MarkedFile::open_or_create(path_, options())); }
  void close() { file_.reset(); }
  void remove();

  /// Durable first, then in force, on behalf of `writer` if there is one.
  void publish(std::optional<TxnId> writer = std::nullopt);
  /// Durable only, as if another process had died before it could publish.
  void commit_only();
  /// Handed out only when it is certain that no process will ever hand it out again.
  TxnId allocate();
  void sync();

 private:
  void take(std::expected<MarkedFile, ShmError>&& file);
  void append(std::uint64_t kind, std::uint64_t value);

  std::filesystem::path path_;
  Promises& promises_;
  Faith faith_;
  OwnedFd log_;
  off_t end_ = 0;               // of the log's records
  std::uint64_t commit_ = 0;    // the last durable one
  std::uint64_t reserved_ = 1;  // smaller ids may have been handed out
  std::unique_ptr<MarkedFile> file_;
};

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_DATABASE_H_
