"""Runs checks, each a function whose name is the sentence that it holds to."""

import traceback


def run(checks):
    """Runs all of them, says what each came to, and gives the exit code."""
    failed = 0
    for check in checks:
        try:
            check()
        except Exception as error:  # whatever it is, it belongs beside the check that met it
            failed += 1
            line = traceback.extract_tb(error.__traceback__)[-1].lineno
            print(f"FAILED {check.__name__}, line {line}: {type(error).__name__}: {error}")
        else:
            print(f"ok     {check.__name__}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0
