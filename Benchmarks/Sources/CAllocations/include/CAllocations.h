// How often the process has asked for memory.
#ifndef TRACT_ALLOCATIONS_H
#define TRACT_ALLOCATIONS_H

/// Calls of malloc, calloc, realloc and their aligned kin so far, in all threads and libraries.
long tract_allocations(void);

#endif
