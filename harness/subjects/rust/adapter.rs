//! The Rust original as a subject: exports the header part of fsqlshm.h over the `SharedMemoryLayout` of
//! a `shm.rs`, which is compiled as it is. `scripts/subject rust PATH` puts it next to this file.
//!
//! For the crates that shm.rs names there are stand-ins: the few types that it uses of `fsqlite_types` and
//! `crate::lifecycle`, and a `tracing` that says nothing. `xxhash_rust` is the real one.

extern crate self as fsqlite_types;
extern crate self as tracing;

use std::ffi::{CStr, c_char, c_void};
use std::mem::{align_of, size_of};

mod shm;
use shm::{SharedMemoryLayout, ShmSnapshot};

// --- Stand-ins ----------------------------------------------------------------------------------

/// Does nothing with its arguments, but counts as a use of them.
#[macro_export]
macro_rules! unlogged {
    ($($argument:expr),* $(,)?) => {{ $( let _ = &$argument; )* }};
}
pub use unlogged as debug;
pub use unlogged as info;
pub use unlogged as warn;

macro_rules! number {
    ($name:ident) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u64);
        impl $name {
            pub const fn new(raw: u64) -> Self {
                Self(raw)
            }
            pub const fn get(self) -> u64 {
                self.0
            }
        }
    };
}
number!(CommitSeq);
number!(SchemaEpoch);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnId(u64);

impl TxnId {
    pub const MAX_RAW: u64 = (1 << 62) - 1;
    pub const fn new(raw: u64) -> Option<Self> {
        if raw == 0 || raw > Self::MAX_RAW {
            None
        } else {
            Some(Self(raw))
        }
    }
    pub const fn get(self) -> u64 {
        self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u32);

impl PageSize {
    pub const DEFAULT: Self = Self(4096);
    pub const fn new(raw: u32) -> Option<Self> {
        if raw.is_power_of_two() && 512 <= raw && raw <= 65536 {
            Some(Self(raw))
        } else {
            None
        }
    }
    pub const fn get(self) -> u32 {
        self.0
    }
}

pub mod lifecycle {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum MvccError {
        ShmTooSmall,
        ShmBadMagic,
        ShmVersionMismatch,
        ShmInvalidPageSize,
        ShmChecksumMismatch,
        Busy,
    }
}
use lifecycle::MvccError;

// --- fsqlshm.h ----------------------------------------------------------------------------------

const OK: i32 = 0;
const INVALID_PAGE_SIZE: i32 = 4;
const MISALIGNED: i32 = 6;

fn code_of(error: MvccError) -> i32 {
    match error {
        MvccError::ShmTooSmall => 1,
        MvccError::ShmBadMagic => 2,
        MvccError::ShmVersionMismatch => 3,
        MvccError::ShmInvalidPageSize => INVALID_PAGE_SIZE,
        MvccError::ShmChecksumMismatch => 5,
        MvccError::Busy => unreachable!(),
    }
}

#[repr(C)]
pub struct Error {
    code: i32,
    reserved: u32,
    found: u64,
    expected: u64,
}

#[repr(C)]
pub struct Geometry {
    page_size: u32,
    max_txn_slots: u32,
    lock_table_offset: u64,
    witness_offset: u64,
    txn_slot_offset: u64,
    committed_readers_offset: u64,
    committed_readers_bytes: u64,
    layout_checksum: u64,
}

#[repr(C)]
pub struct Snapshot {
    commit_seq: u64,
    schema_epoch: u64,
    ecs_epoch: u64,
}

#[repr(C)]
pub struct Process {
    birth: u64,
    pid: u32,
    reserved: u32,
}

#[repr(C)]
pub struct Liveness {
    alive: extern "C" fn(*mut c_void, u32, u64) -> bool,
    context: *mut c_void,
    certain: bool,
}

/// Puts the outcome of a creation or an open at `memory`. The original says no more than the kind of error.
unsafe fn place(
    memory: *mut SharedMemoryLayout,
    made: Result<SharedMemoryLayout, i32>,
    error: *mut Error,
) -> i32 {
    let code = match made {
        Err(code) => code,
        Ok(_) if !memory.is_aligned() => MISALIGNED,
        Ok(layout) => {
            unsafe { memory.write(layout) };
            OK
        }
    };
    if code != OK && !error.is_null() {
        let description = Error { code, reserved: 0, found: 0, expected: 0 };
        unsafe { error.write(description) };
    }
    code
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_interface_version() -> u32 {
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_implementation() -> *const c_char {
    const NAME: &str = concat!("shm.rs, ", env!("FSQLSHM_RUSTC"), "\0");
    const TEXT: &CStr = match CStr::from_bytes_with_nul(NAME.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!(),
    };
    TEXT.as_ptr()
}

/// P6, whole snapshots, ids. The rest is documented there as well, but known not to hold.
#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_promises() -> u64 {
    1 << 5 | 1 << 7 | 1 << 8
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_known_defects() -> *const c_char {
    c"D1 D2 D3 D4 D5 D6".as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_size() -> usize {
    size_of::<SharedMemoryLayout>()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_alignment() -> usize {
    align_of::<SharedMemoryLayout>()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsqlshm_header_create(
    memory: *mut SharedMemoryLayout,
    page_size: u32,
    max_txn_slots: u32,
    error: *mut Error,
) -> i32 {
    let made = PageSize::new(page_size)
        .map(|size| SharedMemoryLayout::new(size, max_txn_slots))
        .ok_or(INVALID_PAGE_SIZE);
    unsafe { place(memory, made, error) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsqlshm_header_open(
    memory: *mut SharedMemoryLayout,
    bytes: *const u8,
    size: usize,
    error: *mut Error,
) -> i32 {
    // An empty slice must not be null.
    let all = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(bytes, size) } };
    unsafe { place(memory, SharedMemoryLayout::open(all).map_err(code_of), error) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsqlshm_header_to_bytes(header: &SharedMemoryLayout, bytes: *mut u8) {
    let all = header.to_bytes();
    unsafe { bytes.copy_from_nonoverlapping(all.as_ptr(), all.len()) };
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_geometry(header: &SharedMemoryLayout, geometry: &mut Geometry) {
    *geometry = Geometry {
        page_size: header.page_size().get(),
        max_txn_slots: header.max_txn_slots(),
        lock_table_offset: header.lock_table_offset(),
        witness_offset: header.witness_offset(),
        txn_slot_offset: header.txn_slot_offset(),
        committed_readers_offset: header.committed_readers_offset(),
        committed_readers_bytes: header.committed_readers_bytes(),
        layout_checksum: header.layout_checksum(),
    };
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_begin_snapshot_publish(header: &SharedMemoryLayout) {
    header.begin_snapshot_publish();
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_end_snapshot_publish(header: &SharedMemoryLayout) {
    header.end_snapshot_publish();
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_publish_snapshot(header: &SharedMemoryLayout, next: Snapshot) {
    header.publish_snapshot(
        CommitSeq::new(next.commit_seq),
        SchemaEpoch::new(next.schema_epoch),
        next.ecs_epoch,
    );
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_reconcile(header: &SharedMemoryLayout, durable: Snapshot) {
    header.reconcile(
        CommitSeq::new(durable.commit_seq),
        SchemaEpoch::new(durable.schema_epoch),
        durable.ecs_epoch,
    );
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_load_consistent_snapshot(header: &SharedMemoryLayout) -> Snapshot {
    let ShmSnapshot { commit_seq, schema_epoch, ecs_epoch } = header.load_consistent_snapshot();
    Snapshot { commit_seq: commit_seq.get(), schema_epoch: schema_epoch.get(), ecs_epoch }
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_acquire_serialized_writer(
    header: &SharedMemoryLayout,
    txn_id: u64,
    own: Process,
    lease_expiry: u64,
) -> bool {
    // The original takes any number, and panics at 0.
    TxnId::new(txn_id).is_some()
        && header.acquire_serialized_writer(txn_id, own.pid, own.birth, lease_expiry)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_release_serialized_writer(
    header: &SharedMemoryLayout,
    txn_id: u64,
) -> bool {
    TxnId::new(txn_id).is_some() && header.release_serialized_writer(txn_id)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_check_serialized_writer(header: &SharedMemoryLayout) -> u64 {
    header.check_serialized_writer().map_or(0, TxnId::get)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_check_serialized_writer_exclusion(
    header: &SharedMemoryLayout,
    now: u64,
    _own: Process,
    liveness: &Liveness,
) -> i32 {
    let alive = |pid, birth| (liveness.alive)(liveness.context, pid, birth);
    header.check_serialized_writer_exclusion(now, alive).is_err().into()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_alloc_txn_id(header: &SharedMemoryLayout) -> u64 {
    header.alloc_txn_id().map_or(0, TxnId::get)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_load_commit_seq(header: &SharedMemoryLayout) -> u64 {
    header.load_commit_seq().get()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_load_schema_epoch(header: &SharedMemoryLayout) -> u64 {
    header.load_schema_epoch().get()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_load_ecs_epoch(header: &SharedMemoryLayout) -> u64 {
    header.load_ecs_epoch()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_load_gc_horizon(header: &SharedMemoryLayout) -> u64 {
    header.load_gc_horizon().get()
}

#[unsafe(no_mangle)]
pub extern "C" fn fsqlshm_header_store_gc_horizon(header: &SharedMemoryLayout, horizon: u64) {
    header.store_gc_horizon(CommitSeq::new(horizon));
}
