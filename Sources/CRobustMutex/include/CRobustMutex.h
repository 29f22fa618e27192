// A robust mutex between processes that share coherent memory: the baseline that benchmarks compare
// the store's own locks with. It cannot work between hosts whose caches are not coherent.
#ifndef C_ROBUST_MUTEX_H
#define C_ROBUST_MUTEX_H

#include <stddef.h>

/// Bytes that a mutex takes in shared memory, aligned as any C object (`max_align_t`).
size_t robust_mutex_size(void);

/// Makes a mutex of `robust_mutex_size()` bytes at `mutex`, once, by one process. Returns 0 or an
/// error number.
int robust_mutex_init(void *mutex);

/// Waits for the mutex. Returns 0 with the mutex held, also where its last holder has died and
/// what it guards may be half written; otherwise an error number, and it is not held.
int robust_mutex_lock(void *mutex);

/// Gives the mutex back; returns 0, or EPERM if this thread does not hold it.
int robust_mutex_unlock(void *mutex);

#endif
