// By number, as C libraries older than the kernel have no names for these system calls.
#define _GNU_SOURCE

#include "CProcess.h"

#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int process_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int process_signal(int process, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, process, signal, NULL, 0);
}

int process_wait(int process, int milliseconds) {
  struct pollfd end = {.fd = process, .events = POLLIN};
  return poll(&end, 1, milliseconds);
}

int process_end_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }

int process_pin(int index) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  cpu_set_t processors;
  CPU_ZERO(&processors);
  CPU_SET(index % (count > 0 && count < CPU_SETSIZE ? count : 1), &processors);
  return sched_setaffinity(0, sizeof processors, &processors);
}
