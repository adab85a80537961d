// The protocols that exist, side by side. A protocol is a set of templates over the seam.

#ifndef FSQLSHM_PROTOCOL_H_
#define FSQLSHM_PROTOCOL_H_

#include <string_view>

#include "fsqlshm/hardened/seqlock.h"
#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/reference/seqlock.h"
#include "fsqlshm/reference/writer_indicator.h"
#include "fsqlshm/txn_id_allocator.h"
#include "fsqlshm/words.h"

namespace fsqlshm {

/// As published, defects included: a subject for the harness, not for use.
struct ReferenceProtocol {
  /// What reports and options call it.
  static constexpr std::string_view kName = "reference";
  /// Its snapshot.
  template <Words W>
  using Seqlock = reference::Seqlock<W>;
  /// Its serialized writer.
  template <Words W>
  using WriterIndicator = reference::WriterIndicator<W>;
};

/// What to use. On headers whose writer word is 0 or an id, sequentially indistinguishable from
/// ReferenceProtocol, byte for byte.
struct HardenedProtocol {
  /// What reports and options call it.
  static constexpr std::string_view kName = "hardened";
  /// Its snapshot.
  template <Words W>
  using Seqlock = hardened::Seqlock<W>;
  /// Its serialized writer.
  template <Words W>
  using WriterIndicator = hardened::WriterIndicator<W>;
};

}  // namespace fsqlshm

#endif  // FSQLSHM_PROTOCOL_H_
