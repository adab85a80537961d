// One cell of the catalogue: an event at one moment of one operation, and what must hold after it.

#ifndef FSQLSHM_STRESS_WORLD_CELL_H_
#define FSQLSHM_STRESS_WORLD_CELL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/child.h"
#include "stress/world/lab.h"
#include "stress/world/others.h"
#include "stress/world/subject.h"
#include "stress/world/tracer.h"
#include "stress/world/world.h"

namespace fsqlshm::world {

class Cell;

/// What happens, and what may become of the operation because of it.
struct Event {
  const char* name;
  const char* about;
  /// Whether there is a sense in it for this operation.
  std::function<bool(const Operation&)> applies;
  std::function<void(Cell&)> strike;
  std::function<void(Cell&)> when_over = [](Cell&) {};  ///< the operation, before newcomers come
  std::function<void(Cell&)> put_back = [](Cell&) {};   ///< when all is over
  /// Why it cannot be done here, or nothing.
  std::function<std::string(const Abilities&)> cannot = [](const Abilities&) { return ""; };
  bool at_exits = false;          ///< also right after system calls
  bool ends_subject = false;      ///< its process is over, or another program
  bool cancels = false;           ///< the operation's thread may be over
  bool loses_file = false;        ///< the operation may say so, as an error
  bool starves = false;           ///< calls fail, for want of something
  bool needs_other = false;       ///< a second open of the file by the subject
  bool other_user = false;        ///< all processes are another user, where that can be
  bool lets_others_read = false;  ///< the file may be read by everybody
  /// Errnos with which calls fail; then `strike` is not called.
  std::vector<int> fails{};
  /// That newcomers see broken if they cannot do what they should.
  std::string_view property = kW2;

  [[nodiscard]] bool calls_fail() const { return starves || !fails.empty(); }
};

/// One system call, step or marker at which something may happen.
struct Moment {
  std::string name;
  bool exit = false;        ///< right after a system call
  std::vector<int> errors;  ///< with which it can fail
};

/// Where an event strikes, among the moments that it can strike, from 1; `second` for a second call
/// that fails. 0: never.
struct Place {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

/// Whether an event can strike there: with one of its errnos, if it makes calls fail.
[[nodiscard]] bool can_strike(const Event& event, const Moment& moment);

struct Verdict {
  std::vector<Moment> moments;  ///< as far as the operation came
  bool struck = false;
  std::vector<std::pair<std::string, std::string>> violations;  ///< property, what
  std::string trace;
};

class Cell {
 public:
  Cell(Lab& lab, const Operation& operation, const Event& event, Place place);
  ~Cell();
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  [[nodiscard]] Verdict run();

  // For events.
  [[nodiscard]] Lab& lab() { return lab_; }
  [[nodiscard]] World& world() { return *world_; }
  [[nodiscard]] const Operation& operation() const { return operation_; }
  [[nodiscard]] pid_t process() { return subject_->other_thread().child().pid(); }
  [[nodiscard]] pid_t thread() { return subject_->thread(); }
  /// To the other thread of the subject. Where it has to wait for the thread that is held, it obeys
  /// when that goes on.
  void order(Order what);
  /// To the peer, if there is one.
  void ask_peer(PeerOrder what);
  void kill_subject();
  /// Its other thread becomes another program.
  void exec_subject();
  /// Until the child of the subject has used the file.
  void wait_for_child();
  /// Another process that does this at the same time, until it is over or waits for the subject.
  void start_rival(const std::function<int()>& body);
  [[nodiscard]] harness::Child& rival() { return rival_; }
  [[nodiscard]] uid_t user() const;

 private:
  void start();
  void run_operation();
  void pass(const Stop& stop);
  void fail(const Stop& stop, const std::vector<int>& errors);
  void release_holder();
  void settle_orders();
  void judge_operation();
  void judge_error(int code, bool again);
  void send_newcomers();
  void finish_subject();
  void judge_remains();
  [[nodiscard]] Visit newcomer(std::string who) const;
  struct Lost {
    bool file = false;
    bool lock_file = false;
  };
  [[nodiscard]] Lost names_lead_elsewhere();

  Lab& lab_;
  const Operation& operation_;
  const Event& event_;
  Place place_;
  Verdict verdict_;
  harness::Shared<World> world_;
  std::unique_ptr<Peer> peer_;
  std::unique_ptr<Subject> subject_;
  std::unique_ptr<Tracer> tracer_;
  harness::Child rival_;
  std::uint64_t passed_ = 0;  // moments that the event can strike
  bool subject_over_ = false;
  bool killed_ = false;
  bool ordered_ = false;  // an order was given and not yet obeyed
  bool holder_holds_ = false;
  bool draft_may_stay_ = false;
};

/// Whether a process sleeps in a futex or in a lock of a file, or is over.
[[nodiscard]] bool waits_or_over(pid_t process);

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_CELL_H_
