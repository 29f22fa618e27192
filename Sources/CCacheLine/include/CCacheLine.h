// Cache-line instructions and untorn 8-byte accesses for memory that other hosts also map.
//
// Swift cannot name these instructions. Every function is a compiler barrier for memory, so that
// no access moves over it; what the processor may reorder is said at each function. Operands are
// always left to the compiler: an instruction spelt as bytes names a register that need not hold
// the address, and no coherent machine can notice that the wrong line was flushed.
// x86-64: Intel SDM volume 2 (CLFLUSH, CLFLUSHOPT, CLWB, MOVNTI, MOVDIR64B) and volume 3,
// section 9.2. arm64: Arm ARM, section D7.5 (cache maintenance to the point of coherency).
#ifndef C_CACHE_LINE_H
#define C_CACHE_LINE_H

// Only headers that a freestanding compiler has: the instruction tests compile without a system.
#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "CCacheLine: only x86-64 and arm64 are supported"
#endif

/// Bytes in a cache line on every supported machine.
#define CL_LINE_BYTES 64

#define CL_COMPILER_BARRIER() __asm__ volatile("" ::: "memory")

/// Bits of `cl_cpu`.
#define CL_CPU_CLFLUSHOPT 1u
#define CL_CPU_CLWB 2u
#define CL_CPU_MOVDIR64B 4u

/// What the processor has beyond its baseline, found before `main`. Zero, as it is until then,
/// chooses instructions that every processor has.
extern uint32_t cl_cpu;

/// Whether `cl_clflushopt` may be called.
static inline int cl_has_clflushopt(void) { return (cl_cpu & CL_CPU_CLFLUSHOPT) != 0; }

/// Whether `cl_clwb` may be called.
static inline int cl_has_clwb(void) { return (cl_cpu & CL_CPU_CLWB) != 0; }

/// Whether `cl_store_line_movdir64b` may be called, and so `cl_store_line` is one 64-byte write.
static inline int cl_has_movdir64b(void) { return (cl_cpu & CL_CPU_MOVDIR64B) != 0; }

/// An aligned 8-byte load that is neither torn, repeated nor left out.
static inline uint64_t cl_load64(const void *_Nonnull address) {
  uint64_t value = __atomic_load_n((const volatile uint64_t *)address, __ATOMIC_RELAXED);
  CL_COMPILER_BARRIER();
  return value;
}

/// An aligned 8-byte store that is neither torn, repeated nor left out.
static inline void cl_store64(void *_Nonnull address, uint64_t value) {
  CL_COMPILER_BARRIER();
  __atomic_store_n((volatile uint64_t *)address, value, __ATOMIC_RELAXED);
}

/// Waits until earlier loads, stores and flushes of this thread are globally visible.
static inline void cl_fence(void) {
#if defined(__x86_64__)
  __asm__ volatile("mfence" ::: "memory");
#else
  __asm__ volatile("dsb sy" ::: "memory");
#endif
}

/// Orders stores, non-temporal stores and flushes; loads may pass it on x86-64.
///
/// arm64 needs the full barrier: only a DSB for reads and writes waits for cache maintenance
/// (Arm ARM, section B2.3, DSB), and devices lie outside the inner shareable domain.
static inline void cl_store_fence(void) {
#if defined(__x86_64__)
  __asm__ volatile("sfence" ::: "memory");
#else
  __asm__ volatile("dsb sy" ::: "memory");
#endif
}

/// Tells the processor that this is a polling loop.
static inline void cl_pause(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause" ::: "memory");
#else
  __asm__ volatile("yield" ::: "memory");
#endif
}

/// Writes the line back if it is modified and drops it from this host's caches.
///
/// CLFLUSH, which keeps its order with stores and other CLFLUSHes: TraCT saw stale reads of
/// metadata with CLFLUSHOPT (arXiv 2512.18194).
static inline void cl_flush(const void *_Nonnull line) {
#if defined(__x86_64__)
  __asm__ volatile("clflush %0" : : "m"(*(const volatile char *)line) : "memory");
#else
  __asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
#endif
}

#if defined(__x86_64__)
/// As `cl_flush`, but flushes of several lines overlap and have no order among themselves.
static inline void cl_clflushopt(const void *_Nonnull line) {
  __asm__ volatile("clflushopt %0" : : "m"(*(const volatile char *)line) : "memory");
}

/// Writes the line back if it is modified; the cache may keep a clean copy.
static inline void cl_clwb(const void *_Nonnull line) {
  __asm__ volatile("clwb %0" : : "m"(*(const volatile char *)line) : "memory");
}
#endif

/// `cl_flush` for payload: the fastest flush there is, ordered by fences only.
static inline void cl_flush_unordered(const void *_Nonnull line) {
#if defined(__x86_64__)
  if (cl_has_clflushopt()) {
    cl_clflushopt(line);
    return;
  }
#endif
  cl_flush(line);
}

/// Writes the line back if it is modified, and keeps it cached where the processor can; for lines
/// that only this host writes. Ordered by fences only.
static inline void cl_write_back(const void *_Nonnull line) {
#if defined(__x86_64__)
  if (cl_has_clwb()) {
    cl_clwb(line);
    return;
  }
  cl_flush(line);
#else
  __asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
#endif
}

/// Whether `cl_store_line` bypasses the cache; where not, it stores and flushes.
static inline int cl_has_line_store(void) {
#if defined(__x86_64__)
  return 1;
#else
  return 0;
#endif
}

#if defined(__x86_64__)
/// Stores eight words at an aligned address around the cache, as a rule combined into one write.
static inline void cl_store_line_movnti(void *_Nonnull address, const uint64_t *_Nonnull words) {
  // Assembler, not intrinsics: the compiler may widen those, and without alignment drop the hint.
#define CL_MOVNTI(i) \
  __asm__ volatile("movnti %1, %0" : "=m"(((uint64_t *)address)[i]) : "r"(words[i]) : "memory")
  CL_MOVNTI(0);
  CL_MOVNTI(1);
  CL_MOVNTI(2);
  CL_MOVNTI(3);
  CL_MOVNTI(4);
  CL_MOVNTI(5);
  CL_MOVNTI(6);
  CL_MOVNTI(7);
#undef CL_MOVNTI
}

/// Stores eight words at an aligned address around the cache as one write that does not tear.
static inline void cl_store_line_movdir64b(
  void *_Nonnull address, const uint64_t *_Nonnull words) {
  __asm__ volatile("movdir64b %1, %0"
                   :
                   : "r"(address), "m"(*(const uint64_t(*)[8])words)
                   : "memory");
}
#endif

/// Stores 64 bytes at an aligned address around the cache, by MOVDIR64B if there is one; at the
/// device after the next `cl_fence`. arm64 has no equivalent: stores, then a flush.
static inline void cl_store_line(void *_Nonnull address, const uint64_t *_Nonnull words) {
#if defined(__x86_64__)
  if (cl_has_movdir64b()) {
    cl_store_line_movdir64b(address, words);
  } else {
    cl_store_line_movnti(address, words);
  }
#else
  for (int i = 0; i < 8; i++) cl_store64((uint64_t *)address + i, words[i]);
  cl_flush(address);
#endif
}

/// The line that holds a byte.
static inline uintptr_t cl_line_of(const void *_Nonnull byte) {
  return (uintptr_t)byte & ~(uintptr_t)(CL_LINE_BYTES - 1);
}

/// Lines that overlap a range.
static inline size_t cl_line_count(const void *_Nonnull start, size_t bytes) {
  if (bytes == 0) return 0;
  return ((uintptr_t)start + (bytes - 1) - cl_line_of(start)) / CL_LINE_BYTES + 1;
}

/// Flushes every line that overlaps the range as `cl_flush_unordered` does; call `cl_fence` after.
void cl_flush_range(const void *_Nonnull start, size_t bytes);

/// Copies bytes into shared memory and pushes them to the device, whole lines around the cache.
///
/// Lines that the range covers in part are written back whole: no other host may write them.
void cl_copy_out(void *_Nonnull shared, const void *_Nonnull source, size_t bytes);

/// Copies bytes from shared memory as they are at the device, not as this host has cached them.
void cl_copy_in(void *_Nonnull destination, const void *_Nonnull shared, size_t bytes);

#endif
