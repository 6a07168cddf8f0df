// A disk that fails, for scripts/check_crashes.py: preloaded into a program, it stands before the
// system calls that touch paths with FAULT_FOLDER in them. Call number FAULT_AT of those (from 1,
// over all threads), does what FAULT says:
//   KILL     the process is killed before the call
//   ENOSPC   the call fails, as on a full disk
//   EIO      it fails, as on a broken one
//   DEAD     so do all after it
//   FULL     a write writes half; from then on whatever needs space fails, and removing does not
//   SHORT    a write writes half, and so does each after it
// A file FAULT_REPORT then holds the call's name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum Fate { GO_ON, FAIL, HALF };

static int touches(const char* path) {
  const char* folder = getenv("FAULT_FOLDER");
  return folder && path && strstr(path, folder);
}

static int file_touches(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  return touches(path);
}

static void report(const char* call) {
  const int file = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAULT_REPORT"),
                                O_WRONLY | O_CREAT | O_TRUNC, 0644);
  syscall(SYS_write, file, call, strlen(call));
  syscall(SYS_close, file);
}

static enum Fate next_call(const char* call, int touched, int needs_space) {
  static atomic_long calls;
  if (!touched) return GO_ON;
  const char* fault = getenv("FAULT");
  const long at = atol(getenv("FAULT_AT")), now = ++calls;
  const int is_write = !strcmp(call, "write");
  if (now == at) report(call);
  if (now < at) return GO_ON;
  if (!strcmp(fault, "SHORT") && is_write) return HALF;
  if (!strcmp(fault, "FULL") && now == at && is_write) return HALF;
  errno = !strcmp(fault, "ENOSPC") || !strcmp(fault, "FULL") ? ENOSPC : EIO;
  if (!strcmp(fault, "FULL") && needs_space) return FAIL;
  if (!strcmp(fault, "DEAD")) return FAIL;
  if (now > at) return GO_ON;
  if (!strcmp(fault, "KILL")) kill(getpid(), SIGKILL);
  return !strcmp(fault, "ENOSPC") || !strcmp(fault, "EIO") ? FAIL : GO_ON;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAULTY(name, needs_space, parameters, arguments, touched)                      \
  int name parameters {                                                                \
    return next_call(#name, touched, needs_space) == FAIL ? -1 : REAL(name) arguments; \
  }

FAULTY(fsync, 1, (int file), (file), file_touches(file))
FAULTY(sync_file_range, 1, (int file, off_t from, off_t bytes, unsigned flags),
       (file, from, bytes, flags), file_touches(file))
FAULTY(rename, 1, (const char* from, const char* to), (from, to), touches(to))
FAULTY(renameat2, 1, (int a, const char* from, int b, const char* to, unsigned flags),
       (a, from, b, to, flags), touches(to))
FAULTY(mkdir, 1, (const char* path, mode_t mode), (path, mode), touches(path))
FAULTY(unlink, 0, (const char* path), (path), touches(path))
FAULTY(rmdir, 0, (const char* path), (path), touches(path))

int close(int file) {  // the descriptor is gone in any case, as on Linux
  const enum Fate fate = next_call("close", file_touches(file), 0);
  const int error = errno, result = REAL(close)(file);
  if (fate != FAIL) return result;
  errno = error;
  return -1;
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return next_call("open", touches(path), flags & O_CREAT) == FAIL ? -1
                                                                   : REAL(open)(path, flags, mode);
}

ssize_t write(int file, const void* data, size_t bytes) {
  const enum Fate fate = next_call("write", file_touches(file), 1);
  if (fate == FAIL) return -1;
  return REAL(write)(file, data, fate == HALF && bytes > 1 ? bytes / 2 : bytes);
}
