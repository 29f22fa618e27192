// Cache-line instructions and untorn 8-byte accesses for memory that other hosts also map.
//
// Swift cannot name these instructions. Every function is a compiler barrier for memory, so that
// no access moves over it; what the processor may reorder is said at each function.
// x86-64: Intel SDM volume 2 (CLFLUSH, CLFLUSHOPT, CLWB, MOVNTI) and volume 3, section 9.2.
// arm64: Arm ARM, section D7.5 (cache maintenance to the point of coherency).
#ifndef C_CACHE_LINE_H
#define C_CACHE_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif !defined(__aarch64__)
#error "CCacheLine: only x86-64 and arm64 are supported"
#endif

/// Bytes in a cache line on every supported machine.
#define CL_LINE_BYTES 64

#define CL_COMPILER_BARRIER() __asm__ volatile("" ::: "memory")

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

/// Writes the line back if it is modified and drops it from this host's caches.
static inline void cl_flush(const void *_Nonnull line) {
#if defined(__x86_64__)
  __asm__ volatile("clflush %0" : : "m"(*(const volatile char *)line) : "memory");
#else
  __asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
#endif
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
static inline void cl_store_fence(void) {
#if defined(__x86_64__)
  __asm__ volatile("sfence" ::: "memory");
#else
  __asm__ volatile("dsb ishst" ::: "memory");
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

/// Whether `cl_store_line` bypasses the cache; where not, it stores and flushes.
static inline int cl_has_line_store(void) {
#if defined(__x86_64__)
  return 1;
#else
  return 0;
#endif
}

/// Stores 64 bytes at an aligned address around the cache (eight MOVNTI, combined into one write);
/// at the device after the next `cl_fence`. arm64 has no equivalent: stores, then a flush.
static inline void cl_store_line(void *_Nonnull address, const uint64_t *_Nonnull words) {
  CL_COMPILER_BARRIER();
#if defined(__x86_64__)
  for (int i = 0; i < 8; i++) _mm_stream_si64((long long *)address + i, (long long)words[i]);
#else
  for (int i = 0; i < 8; i++) cl_store64((uint64_t *)address + i, words[i]);
  cl_flush(address);
#endif
  CL_COMPILER_BARRIER();
}

/// Flushes every line that overlaps the range; call `cl_fence` after it.
static inline void cl_flush_range(const void *_Nonnull start, size_t bytes) {
  uintptr_t line = (uintptr_t)start & ~(uintptr_t)(CL_LINE_BYTES - 1);
  for (; line < (uintptr_t)start + bytes; line += CL_LINE_BYTES) cl_flush((const void *)line);
}

/// Copies bytes into shared memory and pushes them to the device.
static inline void cl_copy_out(
  void *_Nonnull shared, const void *_Nonnull source, size_t bytes) {
  memcpy(shared, source, bytes);
  cl_flush_range(shared, bytes);
  cl_fence();
}

/// Copies bytes from shared memory as they are at the device, not as this host has cached them.
static inline void cl_copy_in(
  void *_Nonnull destination, const void *_Nonnull shared, size_t bytes) {
  cl_flush_range(shared, bytes);
  cl_fence();
  memcpy(destination, shared, bytes);
}

#endif
