/*
 * execve.c - programs that an emulated program starts are emulated too.
 *
 * Criterion starts each test as a process of its own. The kernel cannot start a program
 * for another machine, so this library, which is preloaded, has the emulator do it.
 */
#include <sys/syscall.h>
#include <unistd.h>

#define EMULATOR "/usr/bin/qemu-aarch64-static"

int execve(const char *path, char *const argv[], char *const environment[])
{
    const char *const emulated[] = {EMULATOR, "-0", argv[0], path, NULL};

    return (int)syscall(SYS_execve, EMULATOR, emulated, environment);
}
