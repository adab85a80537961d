// The other processes of a cell: a peer that has the file open all the time, newcomers that come when
// the event is over, and rivals that come while it is not.

#ifndef FSQLSHM_STRESS_WORLD_OTHERS_H_
#define FSQLSHM_STRESS_WORLD_OTHERS_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "stress/world/puppet.h"
#include "stress/world/world.h"

namespace fsqlshm::world {

/// Orders to a peer.
enum class PeerOrder : char {
  kWork = 1,    // everything that a process may do while another one stands still
  kWorkLater,   // the same, by a clock at which every lease is over
  kHold,        // the publication lock
  kLetGo,       // of it
  kExpectLost,  // the file under its name is not the one that is open
  kExpectFine,
};

/// A process that has the file open.
class Peer {
 public:
  Peer(World& world, const std::filesystem::path& path, uid_t user);
  void order(PeerOrder what) { puppet_->order(static_cast<char>(what)); }
  bool ask(PeerOrder what) { return puppet_->ask(static_cast<char>(what)); }
  [[nodiscard]] Puppet& puppet() { return *puppet_; }

 private:
  std::unique_ptr<Puppet> puppet_;
};

/// A process that is new to the file.
struct Visit {
  std::string who = "a newcomer";
  bool others_use_it = false;  ///< so it finds an established state
  bool file_is_lost = false;   ///< others use it, and the name leads elsewhere: it may be refused
  bool subject_stands_still = false;  ///< in the middle of its operation
  bool stays = false;                 ///< until the operation of the subject is over
  bool may_read_only = false;         ///< opens for reading, and reads
  bool blocked_readers = false;  ///< a process locks the file for reading; readers may be refused
  uid_t user = 0;                ///< 0: stays who it is
  int namespaces = 0;            ///< CLONE_NEWPID, CLONE_NEWTIME
  std::string_view property = kW2;  ///< what it means if it cannot do what it should
};

/// What it does and expects, in its process; 0 as its exit status.
int visit(World& world, const std::filesystem::path& path, const Visit& how);

/// Runs it in a process of its own within a bounded time.
void send_newcomer(World& world, const std::filesystem::path& path, const Visit& how);

/// How long a newcomer may take, on a machine that does other things too.
inline constexpr std::chrono::seconds kVisitLimit{5};

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_OTHERS_H_
