#!/usr/bin/env python3
"""Functions that are called nowhere, or only in the place that is there for them.

Some are unsafe by construction. The others reach the operating system: files, clocks, randomness
and threads belong to src/io, so that all the rest runs in the simulator; sockets belong to the
server. The library does not print, read the environment or end its caller's process.
"""
import re
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402


def words(text):
    return tuple(text.split())


# (what the functions are, where the rule holds, where it does not, the functions)
GROUPS = (
    ('unsafe; use what knows its length',
     ('src/', 'include/', 'examples/', 'tests/', 'bench/'), (),
     words('strcpy strcat stpcpy sprintf vsprintf gets strtok rand srand random srandom drand48 alloca atoi atol atoll '
           'atof system popen tmpnam tempnam mktemp')),
    ('a file of the operating system; go through io/io.h',
     ('src/', 'include/'), ('src/io/',),
     words('open openat creat fopen fdopen freopen pread pwrite preadv pwritev pread64 pwrite64 fsync fdatasync sync '
           'syncfs fallocate posix_fallocate ftruncate truncate rename renameat unlink unlinkat remove mkdir mkdirat '
           'rmdir mmap munmap msync madvise flock lockf opendir readdir closedir scandir nftw ftw stat fstat lstat '
           'access faccessat chmod chown link symlink readlink realpath mkstemp mkdtemp tmpfile lseek sendfile '
           'copy_file_range splice')),
    ('a clock; go through io/io.h',
     ('src/', 'include/', 'examples/'), ('src/io/',),
     words('clock_gettime clock_getres gettimeofday time clock timespec_get ftime localtime localtime_r ctime '
           'nanosleep clock_nanosleep usleep sleep alarm setitimer timer_create timerfd_create timerfd_settime')),
    ('randomness that no seed repeats; go through io/io.h',
     ('src/', 'include/', 'examples/'), ('src/io/',),
     words('getrandom getentropy arc4random arc4random_buf RAND_bytes')),
    ('a thread or a lock; go through io/io.h',
     ('src/', 'include/'), ('src/io/',),
     words('pthread_create pthread_join pthread_detach pthread_mutex_lock pthread_mutex_init pthread_cond_wait '
           'pthread_cond_signal pthread_cond_timedwait pthread_rwlock_rdlock pthread_rwlock_wrlock thrd_create mtx_lock '
           'cnd_wait sem_wait fork vfork posix_spawn execv execve execvp execl execlp waitpid kill')),
    ('a socket; only the server has any',
     ('src/', 'include/'), ('src/server/',),
     words('socket socketpair connect accept accept4 bind listen recv recvfrom recvmsg send sendto sendmsg sendmmsg '
           'setsockopt getsockopt getaddrinfo gethostbyname select poll ppoll epoll_create epoll_create1 epoll_ctl '
           'epoll_wait')),
    ('printing; the library gives log events to a hook',
     ('src/', 'include/'), ('src/cmd/', 'src/base/assert.c', 'src/engine/test_then.c'),
     words('printf vprintf fprintf vfprintf dprintf puts fputs putchar fputc putc perror psignal fwrite fflush syslog '
           'err errx warn warnx')),
    ("the environment or the end of the caller's process; that is for src/cmd",
     ('src/', 'include/'), ('src/cmd/', 'src/base/assert.c', 'src/engine/test_then.c'),
     words('getenv secure_getenv setenv putenv exit _exit _Exit quick_exit abort atexit')),
)

# Names that need no call to be wrong.
STREAMS = (('printing; the library gives log events to a hook', ('src/', 'include/'), ('src/cmd/', 'src/base/assert.c', 'src/engine/test_then.c'),
            words('stdout stderr')),)

# Calls that are right where they are: (path, or folder with a slash at its end; names; reason).
EXCEPTIONS = (
    ('src/io/', words('poll ppoll'), 'waits for the descriptor by which its own threads wake the owner'),
    ('src/outside/postgres.c', words('poll'), 'waits for its server, which may have been stopped, for a limited time'),
    ('src/outside/program.c', words('waitpid kill poll'), 'runs the programs that are effects, and waits for them'),
    ('src/outside/postgres.c', words('poll'), 'waits for its server, but not for ever'),
    ('src/cmd/tree.c', words('rmdir'), 'removes the directory that it made'),
    ('src/cmd/', words('open fopen stat isatty'), 'a command reads the files its user names on the command line'),
)


def check(rule):
    """Functions that are called nowhere, or only in the place that is there for them."""
    for path in rule.files(('src', 'include', 'examples', 'tests', 'bench')):
        clean = tree.without_comments(rule.read(path))
        for why, places, but, names in GROUPS:
            if path.startswith(places) and not path.startswith(but or ('\0',)):
                for line, name in tree.calls(clean, names):
                    if not tree.excepted(EXCEPTIONS, path, name):
                        rule.object(path, line, f'{name}(): {why}')
        for why, places, but, names in STREAMS:
            if path.startswith(places) and not path.startswith(but):
                for found in re.finditer(r'(?<![\w.])(' + '|'.join(names) + r')\b', clean):
                    rule.object(path, tree.line_of(clean, found.start()), f'{found.group(1)}: {why}')


if __name__ == '__main__':
    tree.main(check)
