// The input of the target `shm_file`: a file, what is done with it, and what goes wrong meanwhile.
//
// Head, 16 bytes:
//   0..4  how much longer (or, negative, shorter) the file is than the bytes that follow; what is
//         added is a hole. Files are 0 to 8 MiB.
//   4     1: publish on the file after it was opened; 2: create one, too; 4: open what is no file;
//         8: create with open_or_create; 16: create durably
//   5     slots of the created file; also what it is that is no file
//   6     page size of the created file, 512 << (byte % 8)
//   7     % 4: how much room there is for the created file, see Room; / 4: its permissions
//   8..16 four times two bytes, see Interference: the number of a system call (1 is the first, 0
//         none; 128 and up count those of the creation, others those of opening the file), and what
//         happens at it: an index of kErrnos, or, beyond them, that the name changes hands

#ifndef FSQLSHM_FUZZ_FILE_INPUT_H_
#define FSQLSHM_FUZZ_FILE_INPUT_H_

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// The bits of byte 4.
inline constexpr std::uint8_t kPublishes = 1, kCreates = 2, kOpensNoFile = 4, kOrOpens = 8,
                              kFirstOpenerUnit = 16;  ///< two bits: a FirstOpener

/// What the caller says of a file that nobody has open.
enum class FirstOpener : std::uint8_t { kRecovers, kTrusts, kSaysNothing, kFails };

/// What happens at a system call: it fails like this, the name changes hands, or the file is cut off.
inline constexpr int kInterferes = 0, kTruncates = -1;
inline constexpr std::array<int, 15> kErrnos = {
    EIO,   ENOENT, EACCES,     ENOSPC, EINTR,  EEXIST,      EMFILE,    ENOMEM,
    EROFS, EDQUOT, EOPNOTSUPP, EISDIR, EINVAL, kInterferes, kTruncates};

/// The first bytes of a file, and how long it is; the rest is a hole.
struct Content {
  std::vector<std::uint8_t> bytes{};
  std::uint64_t size = 0;
};

/// What happens at a system call.
struct Interference {
  bool of_creation = false;
  std::uint8_t call = 0;  ///< 1 is the first, 0 none
  int error = 0;          ///< it fails like this; or kInterferes, kTruncates
};
using Plan = std::array<Interference, 4>;

/// How much room there is for a file that is created.
enum class Room : std::uint8_t { kPlenty, kExact, kOneByteShort, kMoreThanTheDisk };

struct FileInput {
  Content content{};
  bool publishes = false;
  bool creates = false;
  bool opens_no_file = false;
  std::uint8_t no_file = 0;  ///< which kind
  bool or_opens = false;     ///< opens and creates by open_or_create
  FirstOpener first = FirstOpener::kRecovers;
  Room room = Room::kPlenty;
  ShmFileOptions options{};  ///< of the created file; not what `first` says
  Plan plan{};
};

/// None if it is too short to be one.
[[nodiscard]] std::optional<FileInput> decode_file(Bytes input);

/// The head at random, the rest as a header.
std::size_t mutate_file(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                        ByteMutator engine);
[[nodiscard]] std::vector<Unit> file_units(Bytes input);
[[nodiscard]] std::string explain_file(Bytes input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_FILE_INPUT_H_
