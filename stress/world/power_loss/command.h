// The command line of it: fsqlshm-world power-loss.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_COMMAND_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_COMMAND_H_

#include <string>
#include <vector>

#include "harness/program.h"
#include "harness/result.h"
#include "stress/world/power_loss/power_loss.h"

namespace fsqlshm::world::power_loss {

class Command {
 public:
  static constexpr const char* kName = "power-loss";
  static constexpr const char* kAbout =
      "the power goes off at every block that an operation writes to its disk (needs root)";

  [[nodiscard]] std::vector<harness::Option> options();
  [[nodiscard]] const std::string& mutant() const { return mutant_; }
  /// `general`: what the program's own options say.
  void run(Options general, harness::Result& result);

 private:
  std::vector<std::string> operations_;
  std::vector<std::string> file_systems_;
  std::string mutant_ = "none";
  std::string image_;
};

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_COMMAND_H_
