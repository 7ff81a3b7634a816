"""Runs one command and tells what the operating system says of it."""

import json
import os
import subprocess
import sys
import time


def run(command, *, env=None, cwd=None, stdout=subprocess.DEVNULL):
    """Wall and CPU seconds, peak memory and exit code of a command and nothing else."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, cwd=cwd, stdout=stdout, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit": process.returncode,
        "seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "stderr": errors.decode(errors="replace")[-2000:],
    }


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1:])))
