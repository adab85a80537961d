// The process that an event strikes: what it does (operations), and the thread of it that does as it
// is told while the operation is held at a moment.

#ifndef FSQLSHM_STRESS_WORLD_SUBJECT_H_
#define FSQLSHM_STRESS_WORLD_SUBJECT_H_

#include <atomic>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "stress/world/marked_words.h"
#include "stress/world/puppet.h"
#include "stress/world/world.h"

namespace fsqlshm::world {

using SubjectFile = MarkedFile;

/// In a subject whose operation's thread is being cancelled.
inline std::atomic<bool> cancellation_requested = false;

/// What the operation finds.
enum class Scene : unsigned char {
  kNoFile,  ///< nothing
  kLeft,    ///< a file that nobody has open; its triple is older than what is durable
  kShared,  ///< a file that a peer has open
  kOpen,    ///< the same, and the subject has it open too
};
/// What the words of the file say then.
enum class Words216 : unsigned char { kGood, kOdd, kDeadOwner };

/// What the subject works with.
struct Stage {
  World& world;
  std::filesystem::path path;
  ShmFileOptions options;
  std::optional<SubjectFile> file{};
  std::optional<SubjectFile::Guard> guard{};
  std::optional<ReadOnlyShmFile> reader{};
  std::optional<TxnId> id{};
  std::optional<SubjectFile> other{};  ///< a second open of the same file, by the other thread
  std::optional<SubjectFile::Guard> others_guard{};
  std::unique_ptr<char[]> warmed_up{};
};

using Outcome = std::expected<void, ShmError>;

struct Operation {
  const char* name;
  std::string_view about{};  ///< for people; from a table of its own
  Scene scene;
  std::function<Outcome(Stage&)> run;
  /// Errors that it documents for calls that fail.
  std::vector<ShmErrorCode> errors;
  std::function<void(Stage&)> before = [](Stage&) {};  ///< by the same thread; no moments
  Words216 words = Words216::kGood;
  /// Who has the publication lock until the operation waits for it.
  enum class Holder : unsigned char { kNobody, kPeer, kOtherThread } holder = Holder::kNobody;
  bool lacks_lock_file = false;  ///< somebody removed it, or another program made the file
  bool touches_mapping = false;  ///< a file that is truncated under it may kill it
  bool opens = false;            ///< the file, and leaves it open
};

/// All of them. Their addresses do not change.
[[nodiscard]] const std::vector<Operation>& operations();

/// Orders to the other thread of the subject.
enum class Order : char {
  kForkExit = 1,
  kForkUnwind,
  kForkSleep,
  kForkExec,
  kForkUse,
  kForkAndKill,
  kExec,
  kCancel,
  kCloseOther,
  kCloseStandard,  // input, output and error
  kWriteStandard,  // to these
  kLetGo,          // of the publication lock
  kUse,            // the file, after the operation's thread was cancelled
  kFinish,         // closes everything and ends
};

/// What of the lab the subject needs to know.
struct SubjectPlan {
  const Operation* operation;
  std::filesystem::path path;
  bool opens_other = false;  ///< for kCloseOther
  bool tries_again = false;  ///< an operation that failed
  int life = -1;             ///< a pipe that ends with the lab: sleepers wait for its end
  int life_end = -1;         ///< its other end, which they close
  uid_t user = 0;            ///< 0: stays who it is
};

/// Starts the subject; its operation waits for a byte.
class Subject {
 public:
  Subject(World& world, const SubjectPlan& plan);

  [[nodiscard]] pid_t thread() const { return world_.thread; }
  /// Lets the operation begin.
  void go() { starter_.write("g"); }
  [[nodiscard]] Puppet& other_thread() { return *puppet_; }

 private:
  World& world_;
  Pipe starter_;
  std::unique_ptr<Puppet> puppet_;
};

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_SUBJECT_H_
