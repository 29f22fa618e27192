// What is too long to inline: finding out what the processor has, and copies of payload.
#include "CCacheLine.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <emmintrin.h>
#endif

_Static_assert(sizeof(uint64_t) * 8 == CL_LINE_BYTES, "a line is eight words");

uint32_t cl_cpu = 0;

#if defined(__x86_64__)
// Bits of CPUID leaf 7, subleaf 0 (Intel SDM volume 2, CPUID).
#define LEAF7_EBX_CLFLUSHOPT (1u << 23)
#define LEAF7_EBX_CLWB (1u << 24)
#define LEAF7_ECX_MOVDIR64B (1u << 28)

__attribute__((constructor)) static void find_features(void) {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return;
  cl_cpu = (ebx & LEAF7_EBX_CLFLUSHOPT ? CL_CPU_CLFLUSHOPT : 0)
    | (ebx & LEAF7_EBX_CLWB ? CL_CPU_CLWB : 0)
    | (ecx & LEAF7_ECX_MOVDIR64B ? CL_CPU_MOVDIR64B : 0);
}
#endif

void cl_flush_range(const void *start, size_t bytes) {
  uintptr_t line = cl_line_of(start);
  for (size_t left = cl_line_count(start, bytes); left > 0; left--, line += CL_LINE_BYTES)
    cl_flush_unordered((const void *)line);
}

#if defined(__x86_64__)
// Four MOVNTDQ of SSE2, half as many stores as MOVNTI takes. Neither address nor order of lines
// matters before the fence, and payload may tear, so MOVDIR64B would gain nothing.
static inline void stream_line(char *to, const char *from) {
  __m128i quarters[4];
  for (int i = 0; i < 4; i++) quarters[i] = _mm_loadu_si128((const __m128i *)from + i);
#define STREAM(i) \
  __asm__ volatile("movntdq %1, %0" : "=m"(((__m128i *)to)[i]) : "x"(quarters[i]) : "memory")
  STREAM(0);
  STREAM(1);
  STREAM(2);
  STREAM(3);
#undef STREAM
}
#endif

// A copy through the cache, up to the fence.
static void copy_and_flush(char *to, const char *from, size_t bytes) {
  __builtin_memcpy(to, from, bytes);
  cl_flush_range(to, bytes);
}

void cl_copy_out(void *shared, const void *source, size_t bytes) {
  char *to = shared;
  const char *from = source;
#if defined(__x86_64__)
  size_t head = -(uintptr_t)to % CL_LINE_BYTES;
  if (head > bytes) head = bytes;
  copy_and_flush(to, from, head);
  to += head;
  from += head;
  bytes -= head;
  for (; bytes >= CL_LINE_BYTES; bytes -= CL_LINE_BYTES) {
    stream_line(to, from);
    to += CL_LINE_BYTES;
    from += CL_LINE_BYTES;
  }
#endif
  copy_and_flush(to, from, bytes);
  cl_fence();
}

void cl_copy_in(void *destination, const void *shared, size_t bytes) {
  cl_flush_range(shared, bytes);
  cl_fence();
  __builtin_memcpy(destination, shared, bytes);
}
