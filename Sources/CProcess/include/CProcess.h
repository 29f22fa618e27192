// A process held by descriptor, so that a reused process id is never taken for it. Linux 5.3.
#ifndef C_PROCESS_H
#define C_PROCESS_H

/// A descriptor of process `pid`, which names that process for ever; -1 with errno (ESRCH: there is
/// none) otherwise.
int process_open(int pid);

/// Sends `signal`; 0, or -1 with errno.
int process_signal(int process, int signal);

/// Waits until all threads of the process have ended: 1 if so, 0 after `milliseconds`, -1 with
/// errno.
int process_wait(int process, int milliseconds);

/// The calling process gets `signal` when its parent ends; 0, or -1 with errno.
int process_end_with_parent(int signal);

/// Binds the calling thread to one processor, counting from 0 and round; 0, or -1 with errno.
int process_pin(int index);

#endif
