"""Runs one command and tells what the operating system says of it."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

# Between two looks at the memory of a command: the peak of a sweep of half a second is seen too, and a look costs some
# 50 µs, half a hundredth of a core.
LOOK_SECONDS = 0.01
TICKS = os.sysconf("SC_CLK_TCK")


def high_water(pid):
    """The most memory that a process has had so far, in MiB; 0 when it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) / 1024 if found else 0


def cpu_seconds(pid):
    """The processor time, user and system, that a process that still runs has had so far, all its threads together."""
    # The name of the program stands in parentheses and may hold anything.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Running:
    """A command under way, its memory watched."""

    def __init__(self, command, *, env=None, cwd=None, stdout=subprocess.DEVNULL):
        # A file and no pipe: nobody has to empty it while the command runs.
        self.errors = tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, env=env, cwd=cwd, stdout=stdout, stderr=self.errors)
        self.pid = self.process.pid
        # Not ru_maxrss: it begins with what the process that starts the command has had itself.
        self.peak, self.ended = 0, threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        while not self.ended.wait(LOOK_SECONDS):
            self.peak = max(self.peak, high_water(self.pid))

    def said(self):
        """What it has written to stderr so far."""
        return os.pread(self.errors.fileno(), os.fstat(self.errors.fileno()).st_size, 0).decode(errors="replace")

    def is_over(self):
        """Whether it has ended; `wait` can still be called then."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self):
        """Asks it to end in order, and waits for that."""
        if self.process.returncode is None:
            os.kill(self.pid, 15)
        return self.wait()

    def wait(self):
        """Wall and CPU seconds, context switches, peak memory and exit code of the command and nothing else."""
        _, status, usage = os.wait4(self.pid, 0)
        seconds = time.monotonic() - self.started
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended.set()
        self.watcher.join()
        said = self.said()
        self.errors.close()
        return {
            "exit": self.process.returncode,
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "user_seconds": usage.ru_utime,
            "system_seconds": usage.ru_stime,
            # It waited for something; it was taken off the processor.
            "switches_voluntary": usage.ru_nvcsw,
            "switches_forced": usage.ru_nivcsw,
            "peak_mib": self.peak,
            "stderr": said[-2000:],
        }


def run(command, **how):
    """Runs a command to its end."""
    return Running(command, **how).wait()


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1:])))
