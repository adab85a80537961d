// Where cells are tried: a folder on a small file system of its own where that can be had, what this
// machine allows, and how the file looks before an operation.

#ifndef FSQLSHM_STRESS_WORLD_LAB_H_
#define FSQLSHM_STRESS_WORLD_LAB_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "fsqlshm/wire_format.h"
#include "stress/world/puppet.h"
#include "stress/world/subject.h"

namespace fsqlshm::world {

/// What this machine lets a process do; a reason why not, or nothing.
struct Abilities {
  std::string other_users;     ///< be another user, and give files away
  std::string no_descriptors;  ///< open nothing any more
  std::string small_disk;      ///< mount a file system
  std::string pid_namespace;
  std::string time_namespace;

  /// For labs in `folder`.
  [[nodiscard]] static Abilities find(const std::filesystem::path& folder);
};

class Lab {
 public:
  /// Works in `folder`, which exists. One thread; the processes that it starts end with it.
  Lab(std::filesystem::path folder, Abilities abilities);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path lock_path() const { return path_.string() + "-lock"; }
  [[nodiscard]] const Abilities& abilities() const { return abilities_; }
  [[nodiscard]] const Pipe& life() const { return life_; }

  /// An empty folder, and the file as `scene` wants it, of this mode, owned by `user` if not 0.
  void arrange(Scene scene, mode_t mode, uid_t user);
  /// A file whose bytes are those of a database at commit `n`, with other regions if `strange`.
  void write_file(const std::filesystem::path& path, std::uint64_t n, bool strange) const;
  void set_word(Field field, std::uint64_t value) const;
  /// A serialized writer that ended, with this lease.
  void leave_writer(std::uint64_t lease) const;
  /// Files that should not be there.
  [[nodiscard]] std::vector<std::string> drafts() const;
  void fill_disk() const;

 private:
  std::filesystem::path folder_;
  std::filesystem::path path_;
  Abilities abilities_;
  Pipe life_;
};

/// The user that is nobody, and another one.
inline constexpr uid_t kNobody = 65534;
inline constexpr uid_t kSomebody = 65533;

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_LAB_H_
