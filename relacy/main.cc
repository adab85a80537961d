#include <fmt/format.h>

#include "search.h"
using namespace fsqlshm::relacy;
int main(int argc, char** argv) {
  std::string proto = argc > 1 ? argv[1] : "hardened";
  std::string only = argc > 2 ? argv[2] : "all";
  Budget b;
  std::string kind = argc > 3 ? argv[3] : "random";
  b.search = kind == "random" ? Search::kRandom : Search::kBounded;
  if (b.search == Search::kBounded) b.bound = unsigned(std::stoul(kind));
  b.seconds = argc > 4 ? std::stod(argv[4]) : 2;
  Subject* s = find_subject(proto);
  for (auto& sc : s->scenarios) {
    if (only != "all" && sc->spec().name != only) continue;
    auto r = search(*s, *sc, b);
    fmt::print("{:30} {:>9} ex {:6.2f} s {:8.0f}/s complete {} bound {}", sc->spec().name,
               r.executions, r.seconds, double(r.executions) / r.seconds, r.complete,
               r.bound_reached);
    for (size_t i = 0; i < r.reached.size(); ++i)
      fmt::print(" [{}: {}]", sc->spec().outcomes[i], r.reached[i]);
    fmt::print("\n");
    if (r.violation) {
      fmt::print("   VIOLATION {}: {}  {}\n", r.violation->property, r.violation->text,
                 r.replay.text());
      auto m = minimise(*s, *sc, r, 4, 20);
      auto t = replay(m ? m->replay : r.replay);
      if (t)
        fmt::print("{}", render(*t));
      else
        fmt::print("{}\n", t.error());
    }
    fflush(stdout);
  }
}
