#include <lmdb.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "folder.h"
#include "publisher.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

void must(int status) {
  if (status != MDB_SUCCESS) throw std::runtime_error(std::string("LMDB: ") + mdb_strerror(status));
}

/// A database that is open in this process. LMDB allows one environment a file and process, so all
/// handles of a process share it.
class Environment {
 public:
  explicit Environment(const std::string& path) {
    must(mdb_env_create(&env_));
    // A reader that loses its processor holds back every page that is written meanwhile.
    must(mdb_env_set_mapsize(env_, std::size_t{1} << 30));
    // Not tied to threads: the tests have two handles in one. Nothing is synced, as by us.
    must(mdb_env_open(env_, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS | MDB_WRITEMAP | MDB_NOSYNC,
                      0600));
    MDB_txn* txn = begin(0);
    must(mdb_dbi_open(txn, nullptr, 0, &dbi_));
    must(mdb_txn_commit(txn));
  }
  ~Environment() { mdb_env_close(env_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  [[nodiscard]] static std::shared_ptr<Environment> of(const std::string& path) {
    static std::mutex mutex;
    static std::map<std::string, std::weak_ptr<Environment>> open;
    const std::lock_guard lock(mutex);
    auto found = open[path].lock();
    if (!found) open[path] = found = std::make_shared<Environment>(path);
    return found;
  }

  [[nodiscard]] MDB_txn* begin(unsigned flags) const {
    MDB_txn* txn = nullptr;
    must(mdb_txn_begin(env_, nullptr, flags, &txn));
    return txn;
  }
  [[nodiscard]] MDB_dbi dbi() const noexcept { return dbi_; }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

/// One record: a key of one byte, a value of 24.
class Lmdb {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "lmdb",
      .source = "LMDB",
      .call =
          "mdb_txn_renew, mdb_get, mdb_txn_reset; mdb_txn_begin, mdb_put, mdb_txn_commit "
          "(MDB_WRITEMAP, MDB_NOSYNC, MDB_NOTLS; the file in memory)",
      .adds =
          "any number of keys and values; transactions, durable if wanted; any number of "
          "publishers; readers never wait, also after a death, and keep what they read",
      .lacks = "a reader that stays holds back space",
      .peer = true};

  struct Memory {
    Memory() { Lmdb(*this).publish(triple_of(0)); }
    Folder folder;
  };

  explicit Lmdb(Memory& memory) : env_(Environment::of(memory.folder.path("db.lmdb"))) {}
  Lmdb(const Lmdb&) = delete;
  Lmdb& operator=(const Lmdb&) = delete;
  ~Lmdb() {
    if (reader_ != nullptr) mdb_txn_abort(reader_);
  }

  void move_by(std::size_t bytes) noexcept {
    if (reader_ != nullptr) {
      reader_ = reinterpret_cast<MDB_txn*>(reinterpret_cast<std::byte*>(reader_) + bytes);
    }
  }
  [[nodiscard]] Triple read() const {
    if (reader_ == nullptr) [[unlikely]] {
      reader_ = env_->begin(MDB_RDONLY);
    } else {
      must(mdb_txn_renew(reader_));
    }
    MDB_val key = kKey;
    MDB_val value;
    must(mdb_get(reader_, env_->dbi(), &key, &value));
    Triple triple;
    std::memcpy(&triple, value.mv_data, sizeof(triple));
    mdb_txn_reset(reader_);
    return triple;
  }
  [[nodiscard]] bool try_read(Triple& triple) const {
    triple = read();
    return true;
  }
  void publish(const Triple& triple) {
    // A full map empties when the reader that holds back its pages goes on.
    int status = MDB_MAP_FULL;
    while (status == MDB_MAP_FULL) {
      MDB_txn* const txn = env_->begin(0);
      status = put(txn, triple);
      if (status == MDB_SUCCESS) {
        status = mdb_txn_commit(txn);
      } else {
        mdb_txn_abort(txn);
      }
    }
    must(status);
  }

  void die_within_publish() {
    must(put(env_->begin(0), triple_of(9)));
    die();
  }
  void recover(const Triple& triple) { publish(triple); }

 private:
  static inline char key_byte_ = 's';
  static inline const MDB_val kKey{.mv_size = 1, .mv_data = &key_byte_};

  int put(MDB_txn* txn, Triple triple) const {
    MDB_val key = kKey;
    MDB_val value{.mv_size = sizeof(triple), .mv_data = &triple};
    return mdb_put(txn, env_->dbi(), &key, &value, 0);
  }

  std::shared_ptr<Environment> env_;
  mutable MDB_txn* reader_ = nullptr;
};

[[maybe_unused]] const bool kAdded = add_subject<Lmdb>();

}  // namespace
}  // namespace fsqlshm::bench
