// The mutex by POSIX threads: process-shared, robust (POSIX.1-2008, pthread_mutexattr_setrobust).
#define _POSIX_C_SOURCE 200809L

#include "CRobustMutex.h"

#include <errno.h>
#include <pthread.h>

size_t robust_mutex_size(void) { return sizeof(pthread_mutex_t); }

int robust_mutex_init(void *mutex) {
  pthread_mutexattr_t attributes;
  int code = pthread_mutexattr_init(&attributes);
  if (code != 0) return code;
  code = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (code == 0) code = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (code == 0) code = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return code;
}

int robust_mutex_lock(void *mutex) {
  int code = pthread_mutex_lock(mutex);
  if (code != EOWNERDEAD) return code;
  // The lock is held; unless it is made consistent, unlocking would end its use for everybody.
  code = pthread_mutex_consistent(mutex);
  if (code != 0) pthread_mutex_unlock(mutex);
  return code;
}

int robust_mutex_unlock(void *mutex) { return pthread_mutex_unlock(mutex); }
