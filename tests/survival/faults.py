"""What can happen to a process while it writes: it is killed or stopped, the power fails, the disk is full.

``install`` counts every call that changes something below a folder, and at one of them lets it happen.
"""

import errno
import io
import os
import signal
from pathlib import Path

KILL = "kill"
CTRL_C = "Ctrl-C"  # once; the process saves and ends
POWER = "power cut"  # what was not flushed is lost, but names are as they were last
NAMES = "power cut, names lost"  # and so are the renamings in folders that were not flushed since
ERRORS = {"full": errno.ENOSPC, "failing": errno.EIO, "read-only": errno.EROFS}

ONE_PATH = ("unlink", "remove", "mkdir", "rmdir")
TWO_PATHS = ("rename", "replace")


class Faults:
    """Does ``what`` at call number ``at``; from there on, if it is an error. ``calls`` lists the calls so far."""

    def __init__(self, root, at=None, what=KILL):
        self.root, self.at, self.what = str(root), at, what
        self.calls, self.saving = [], False
        self.unflushed, self.renamed, self.backups = {}, [], 0
        self.real = {name: getattr(os, name) for name in (*ONE_PATH, *TWO_PATHS, "fsync", "link", "truncate")}

    def here(self, path):
        return Path(self.root) in (Path(os.path.abspath(path)), *Path(os.path.abspath(path)).parents)

    def call(self, name, path, before=None):
        """One call, before it is made; ``before`` makes what was done so far of it visible."""
        number = len(self.calls)
        self.calls.append((name, os.path.relpath(path, self.root), self.saving))
        if self.at is None or number < self.at:
            return
        if self.what == CTRL_C:
            if number == self.at:
                os.kill(os.getpid(), signal.SIGINT)
            return
        if before is not None:
            before()
        if self.what in ERRORS:
            raise OSError(ERRORS[self.what], os.strerror(ERRORS[self.what]))
        if self.what in (POWER, NAMES):
            self.lose()
        os.kill(os.getpid(), signal.SIGKILL)

    def lose(self):
        """What a power cut does to the disk."""
        for source, target, backup in reversed(self.renamed) if self.what == NAMES else ():
            if os.path.lexists(target) and not os.path.lexists(source):
                self.real["rename"](target, source)
            if backup is not None:
                self.real["rename"](backup, target)
        for folder, _, files in os.walk(self.root):
            for name in files:
                path = os.path.join(folder, name)
                kept = self.unflushed.get(os.stat(path).st_ino)
                if kept is not None:
                    self.real["truncate"](path, kept)

    def opened(self, path, mode):
        """What of a file would be left without power: nothing of a new one, all of one that is only added to."""
        status = os.stat(path)
        if "w" in mode:
            self.unflushed[status.st_ino] = 0
        else:
            self.unflushed.setdefault(status.st_ino, status.st_size)

    def fsync(self, descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if self.here(path):
            self.call("fsync", path)
            if os.path.isdir(path):
                self.renamed = [each for each in self.renamed if os.path.dirname(each[1]) != path]
            else:
                self.unflushed.pop(os.fstat(descriptor).st_ino, None)
        self.real["fsync"](descriptor)

    def one_path(self, name, path, *rest, dir_fd=None, **options):
        where = path if dir_fd is None else os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        if self.here(where):
            self.call(name, where)
        return self.real[name](path, *rest, dir_fd=dir_fd, **options)

    def two_paths(self, name, source, target):
        source, target = os.path.abspath(source), os.path.abspath(target)
        if self.here(target):
            self.call(name, target)
            backup = None
            if os.path.isfile(target):
                self.backups += 1
                backup = f"{self.root}.{os.getpid()}.backup{self.backups}"
                self.real["link"](target, backup)
            self.renamed.append((source, target, backup))
        return self.real[name](source, target)

    def open(self, real):
        def opened(file, mode="r", *rest, **options):
            if isinstance(file, int) or not set(mode) & set("wax+") or not self.here(file):
                return real(file, mode, *rest, **options)
            self.call("open", file)
            found = File(real(file, mode, *rest, **options), os.path.abspath(file), self)
            self.opened(file, mode)
            return found

        return opened


class File:
    """A file that is written: a write can be cut in the middle."""

    def __init__(self, file, path, faults):
        self.file, self.path, self.faults = file, path, faults

    def write(self, data):
        self.faults.call("write", self.path)
        half = len(data) // 2
        written = self.file.write(data[:half])
        self.faults.call("half a write", self.path, before=self.file.flush)
        return written + self.file.write(data[half:])

    def close(self):
        self.faults.call("close", self.path)
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


def install(faults):
    """Let the calls of this process go through ``faults``; for good."""
    from unrolled.training.job import Job

    def one(name):
        return lambda path, *rest, **options: faults.one_path(name, path, *rest, **options)

    def two(name):
        return lambda source, target: faults.two_paths(name, source, target)

    for name in ONE_PATH:
        setattr(os, name, one(name))
    for name in TWO_PATHS:
        setattr(os, name, two(name))
    os.fsync = faults.fsync
    io.open = faults.open(io.open)
    save = Job.save

    def saved(job):
        faults.saving = True
        try:
            return save(job)
        finally:
            faults.saving = False

    Job.save = saved
    return Path(faults.root)
